"""The learning rate over a training run."""

import math

from .options import Recipe


def learning_rate(recipe: Recipe, progress: float) -> float:
    """The learning rate at a point of the schedule.

    Steps named by a recipe (milestones) are steps of the whole schedule of ``recipe.steps``, so a run that is boxed in
    time passes all of them.

    Args:
        recipe: Its ``schedule`` is ``constant``; ``steps``, which multiplies by ``decay`` at every milestone or after
            every ``decay_every`` steps; ``polynomial``, which falls to ``final_rate`` as (1 - progress)^``power``; or
            ``cosine``, which falls to ``final_rate`` along half a cosine.
        progress: From 0 at the start of the run to 1 at its end.
    """
    peak, final = recipe.learning_rate, recipe.final_rate
    if progress < recipe.warmup:  # 1. linear rise, from a little above zero
        return peak * (progress + 1e-3) / (recipe.warmup + 1e-3)
    if recipe.schedule == "steps":  # 2. stairs
        step = progress * recipe.steps
        passed = sum(step >= milestone for milestone in recipe.milestones)
        passed += int(step // recipe.decay_every) if recipe.decay_every else 0
        return peak * recipe.decay**passed
    remaining = 1 - min((progress - recipe.warmup) / max(1 - recipe.warmup, 1e-9), 1.0)
    if recipe.schedule == "polynomial":  # 3. power of what remains
        return final + (peak - final) * remaining**recipe.power
    if recipe.schedule == "cosine":  # 4. half a cosine
        return final + (peak - final) * 0.5 * (1 - math.cos(math.pi * remaining))
    return peak
