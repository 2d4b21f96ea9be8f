"""The nodes in a real ComfyUI: a server on the CPU with this pack alone, spoken to over HTTP.

    COMFYUI_ROOT=<checkout> python -m pytest tests/test_comfyui_server.py

COMFYUI_PYTHON names its interpreter if it is another one, COMFYUI_ARGS more arguments (--fp16-intermediates). Every
picture that comes back is compared with what the core gives for the same image and weights.
"""

import io
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from deblur import (
    DeblurNetConfig,
    MultiScaleConfig,
    ScaleRecurrentConfig,
    build_network,
    config_to_dict,
    psnr,
    restore,
    restore_network,
)
from tests.hub_server import Fault, running_hub
from weights import CATALOGUE, Checkpoint, read_checkpoint, write_checkpoint

pytestmark = pytest.mark.comfyui

ROOT = Path(__file__).parents[1]
PACK = "motion-deblur"
NODE_IDS = json.loads((ROOT / "tests/nodes/node_schemas.json").read_text(encoding="utf-8"))
START_SECONDS = 240
PROMPT_SECONDS = 120
SAVE = "save"
REPOSITORY = "someone/some-model"

NETWORKS = {
    "scale-recurrent.safetensors": ScaleRecurrentConfig(channels=(4, 6, 8), blocks=1, kernel_size=3),
    "multi-scale.safetensors": MultiScaleConfig(scales=2, blocks=1, channels=6),
    "deblurnet.safetensors": DeblurNetConfig(channels=(4,) * 6, fine_channels=4),
}


class Server:
    """A ComfyUI process and what can be asked of it."""

    def __init__(self, base: Path, settings: dict[str, str]) -> None:
        self.base = base
        self.log = base / "server.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--base-directory", str(base)]
        command += ["--port", self.address.rpartition(":")[2], "--disable-api-nodes"]
        command += ["--disable-all-custom-nodes", "--whitelist-custom-nodes", PACK]
        command += shlex.split(os.environ.get("COMFYUI_ARGS", ""))
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **settings}
        environment.pop("PYTHONPATH", None)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=os.environ["COMFYUI_ROOT"], stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        self.stop()
        pytest.fail(f"ComfyUI did not start; the end of its log:\n{self.log_text()[-4000:]}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def get_bytes(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=60) as answer:
            return answer.read()

    def get(self, path: str):
        return json.loads(self.get_bytes(path))

    def post(self, path: str, data: dict):
        body = json.dumps(data).encode()
        request = urllib.request.Request(self.address + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def upload(self, image: Image.Image) -> str:
        """Uploads a picture as the browser does and returns its name."""
        content = io.BytesIO()
        image.save(content, "PNG")
        name, boundary = f"{uuid.uuid4().hex}.png", uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        head += "Content-Type: image/png\r\n\r\n"
        body = head.encode() + content.getvalue() + f"\r\n--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = urllib.request.Request(f"{self.address}/upload/image", body, kind)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["name"]

    def queue(self, prompt: dict) -> str:
        return self.post("/prompt", {"prompt": prompt})["prompt_id"]

    def wait(self, prompt_id: str) -> dict:
        """The history entry of a prompt, once it has ended."""
        deadline = time.monotonic() + PROMPT_SECONDS
        while time.monotonic() < deadline:
            if entry := self.get(f"/history/{prompt_id}").get(prompt_id):
                return entry
            time.sleep(0.1)
        pytest.fail(f"the prompt did not end; the end of the server's log:\n{self.log_text()[-4000:]}")

    def picture(self, prompt: dict) -> Image.Image:
        """Runs a prompt and fetches what it saved."""
        entry = self.wait(self.queue(prompt))
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
        saved = entry["outputs"][SAVE]["images"][0]
        image = Image.open(io.BytesIO(self.get_bytes(f"/view?{urllib.parse.urlencode(saved)}")))
        image.load()
        return image

    def error(self, prompt: dict) -> dict:
        """Runs a prompt that fails and returns what the user is shown."""
        entry = self.wait(self.queue(prompt))
        assert entry["status"]["status_str"] == "error"
        return next(data for event, data in entry["status"]["messages"] if event == "execution_error")


def write_network(path: Path, config) -> None:
    torch.manual_seed(0)
    network = build_network(config)
    for parameter in network.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    write_checkpoint(path, Checkpoint(config_to_dict(config), network.state_dict()))


@pytest.fixture(scope="module")
def hub():
    """A Hub that serves one of the networks."""
    with running_hub() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, hub):
    base = tmp_path_factory.mktemp("comfyui")
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / PACK).symlink_to(ROOT, target_is_directory=True)
    for name, config in NETWORKS.items():
        write_network(base / "models/deblur" / name, config)
    (base / "models/deblur/broken.safetensors").write_bytes(b"not a checkpoint")
    hub.add(REPOSITORY, {"model.safetensors": (base / "models/deblur/scale-recurrent.safetensors").read_bytes()})
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(base / "hub"), "HF_HUB_DISABLE_XET": "1"}
    server = Server(base, settings)
    server.wait_until_up()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sharp():
    """Shapes on a gradient, 160×120."""
    image = Image.linear_gradient("L").resize((160, 120)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 70, 60), fill=(200, 60, 40))
    draw.ellipse((80, 30, 140, 100), fill=(30, 120, 200))
    draw.line((10, 110, 150, 10), fill=(250, 250, 240), width=3)
    draw.text((30, 80), "DEBLUR", fill=(255, 255, 0))
    return image


@pytest.fixture(scope="module")
def blurry(sharp):
    """The picture averaged along a horizontal motion of 9 pixels, in linear light."""
    linear = to_tensor(sharp) ** 2.2
    moved = [linear.roll(offset, dims=-1) for offset in range(-4, 5)]
    return to_image((torch.stack(moved).mean(0) ** (1 / 2.2)).clamp(0, 1))


def to_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).movedim(-1, 0)[None].float() / 255


def to_image(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray((pixels[0].movedim(0, -1) * 255).round().byte().numpy())


def core_restored(server: Server, name: str, image: Image.Image) -> torch.Tensor:
    checkpoint = read_checkpoint(server.base / "models/deblur" / name)
    return restore(restore_network(checkpoint.config, checkpoint.state_dict), to_tensor(image))


def assert_same_picture(found: Image.Image, expected: torch.Tensor) -> None:
    difference = (to_tensor(found.convert("RGB")) - expected).abs()
    assert difference.max() < 1.5 / 255  # ComfyUI cuts off where it saves 8 bits


def prompt(name: str, model: str, node: str, extra: dict | None = None, **inputs) -> dict:
    """LoadImage and DeblurLoadModel into a restoring node, and SaveImage; ``inputs`` are the node's own."""
    return {
        "image": {"class_type": "LoadImage", "inputs": {"image": name}},
        "model": {"class_type": "DeblurLoadModel", "inputs": {"model_name": model, "precision": "auto"}},
        **(extra or {}),
        "restore": {"class_type": node, "inputs": {"model": ["model", 0], "strength": 1.0, **inputs}},
        SAVE: {"class_type": "SaveImage", "inputs": {"images": ["restore", 0], "filename_prefix": "restored"}},
    }


IMAGE = {"image": ["image", 0]}


def test_all_nodes_are_there_and_nothing_failed(server):
    assert not [line for line in server.log_text().splitlines() if "IMPORT FAILED" in line and PACK in line]
    info = server.get("/object_info")
    assert set(NODE_IDS) <= set(info)
    for node_id, schema in NODE_IDS.items():
        found = {**info[node_id]["input"]["required"], **info[node_id]["input"].get("optional", {})}
        assert set(found) == set(schema["inputs"]), node_id
        assert info[node_id]["output_name"] == list(schema["outputs"]), node_id
        assert info[node_id]["output"] == list(schema["outputs"].values()), node_id
        assert info[node_id]["python_module"] == f"custom_nodes.{PACK}"
    offered = info["DeblurLoadModel"]["input"]["required"]["model_name"]
    assert set(NETWORKS) <= set(offered[1]["options"])


def test_help_pages_and_the_example_workflow_are_served(server):
    for node_id in NODE_IDS:
        assert server.get_bytes(f"/extensions/{PACK}/docs/{node_id}.md").startswith(b"# ")
    names = server.get("/workflow_templates")[PACK]
    assert names
    for name in names:
        workflow = server.get(f"/api/workflow_templates/{PACK}/{name}.json")
        known = server.get("/object_info")
        assert {node["type"] for node in workflow["nodes"]} <= {*known, "MarkdownNote"}


@pytest.mark.parametrize(
    ("model", "node"),
    [
        ("scale-recurrent.safetensors", "DeblurScaleRecurrent"),
        ("multi-scale.safetensors", "DeblurMultiScale"),
        ("deblurnet.safetensors", "DeblurInTheWild"),
    ],
)
def test_restores_a_picture(server, blurry, model, node):
    found = server.picture(prompt(server.upload(blurry), model, node, **IMAGE))
    assert found.size == blurry.size
    assert (to_tensor(found) - to_tensor(blurry)).abs().mean() > 0.01
    assert_same_picture(found, core_restored(server, model, blurry))


@pytest.mark.parametrize("model", NETWORKS)
def test_restores_in_tiles(server, blurry, model):
    found = server.picture(prompt(server.upload(blurry), model, "DeblurTiled", **IMAGE, tile_size=64, halo=64))
    assert_same_picture(found, core_restored(server, model, blurry))


def test_restores_from_a_pyramid(server, blurry):
    build = {"class_type": "DeblurBuildPyramid", "inputs": {**IMAGE, "levels": 3, "kernel": "gaussian"}}
    request = prompt(
        server.upload(blurry),
        "multi-scale.safetensors",
        "DeblurMultiScale",
        {"build": build},
        pyramid=["build", 0],
    )
    assert_same_picture(server.picture(request), core_restored(server, "multi-scale.safetensors", blurry))


def test_shows_a_level_of_a_pyramid(server, blurry):
    request = {
        "image": {"class_type": "LoadImage", "inputs": {"image": server.upload(blurry)}},
        "build": {"class_type": "DeblurBuildPyramid", "inputs": {**IMAGE, "levels": 3, "kernel": "gaussian"}},
        "level": {"class_type": "DeblurPyramidLevel", "inputs": {"pyramid": ["build", 0], "level": 3}},
        SAVE: {"class_type": "SaveImage", "inputs": {"images": ["level", 0], "filename_prefix": "level"}},
    }
    assert server.picture(request).size == (40, 30)


def test_alpha_comes_back(server, blurry):
    alpha = Image.linear_gradient("L").resize(blurry.size)
    with_alpha = blurry.copy()
    with_alpha.putalpha(alpha)
    join = {"class_type": "JoinImageWithAlpha", "inputs": {**IMAGE, "alpha": ["image", 1]}}
    request = prompt(
        server.upload(with_alpha),
        "scale-recurrent.safetensors",
        "DeblurScaleRecurrent",
        {"join": join},
        image=["join", 0],
    )
    found = server.picture(request)
    assert found.mode == "RGBA"
    assert np.abs(np.array(found)[..., 3].astype(int) - np.array(alpha)).max() <= 1
    assert_same_picture(found, core_restored(server, "scale-recurrent.safetensors", blurry))


def test_the_mask_of_load_image_limits_the_restoration(server, blurry):
    alpha = Image.new("L", blurry.size, 255)
    alpha.paste(0, (80, 0, 160, 120))
    with_alpha = blurry.copy()
    with_alpha.putalpha(alpha)
    name = server.upload(with_alpha)
    model = "scale-recurrent.safetensors"
    found = server.picture(prompt(name, model, "DeblurScaleRecurrent", **IMAGE, mask=["image", 1]))
    expected = to_tensor(blurry)
    expected[..., 80:] = core_restored(server, model, blurry)[..., 80:]
    assert_same_picture(found, expected)


def test_a_model_of_the_wrong_kind_is_sent_to_its_node(server, blurry):
    error = server.error(prompt(server.upload(blurry), "multi-scale.safetensors", "DeblurScaleRecurrent", **IMAGE))
    assert error["node_type"] == "DeblurScaleRecurrent"
    assert "is a multi-scale model" in error["exception_message"]
    assert "DeblurMultiScale" in error["exception_message"]


def test_a_broken_file_is_explained(server, blurry):
    error = server.error(prompt(server.upload(blurry), "broken.safetensors", "DeblurScaleRecurrent", **IMAGE))
    assert error["node_type"] == "DeblurLoadModel"
    assert "broken.safetensors is not a complete safetensors file" in error["exception_message"]


def test_a_replaced_file_is_read_again(server, blurry):
    name = server.upload(blurry)
    path = server.base / "models/deblur/replaced.safetensors"
    config = NETWORKS["scale-recurrent.safetensors"]
    write_network(path, config)
    server.get("/object_info/DeblurLoadModel")
    first = server.picture(prompt(name, path.name, "DeblurScaleRecurrent", **IMAGE))
    write_network(path, replace(config, residual_output=True))
    second = server.picture(prompt(name, path.name, "DeblurScaleRecurrent", **IMAGE))
    assert (to_tensor(first) - to_tensor(second)).abs().max() > 0.01
    assert_same_picture(second, core_restored(server, path.name, blurry))


def test_a_long_batch_can_be_interrupted(server, blurry):
    small = blurry.resize((64, 48))
    repeat = {"class_type": "RepeatImageBatch", "inputs": {**IMAGE, "amount": 4096}}
    request = prompt(
        server.upload(small),
        "scale-recurrent.safetensors",
        "DeblurTiled",
        {"repeat": repeat},
        image=["repeat", 0],
        tile_size=64,
        halo=0,
    )
    prompt_id = server.queue(request)
    deadline = time.monotonic() + PROMPT_SECONDS
    while not server.get("/queue")["queue_running"] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    server.post("/interrupt", {})
    messages = server.wait(prompt_id)["status"]["messages"]
    interrupted = [data for event, data in messages if event == "execution_interrupted"]
    assert interrupted, messages
    assert interrupted[0]["node_type"] == "DeblurTiled"


def from_hub(name: str, repository: str = REPOSITORY, file: str = "", revision: str = "") -> dict:
    """LoadImage and DeblurLoadModelFromHub into a restoring node, and SaveImage."""
    inputs = {"repository": repository, "file": file, "revision": revision, "precision": "auto"}
    loader = {"model": {"class_type": "DeblurLoadModelFromHub", "inputs": inputs}}
    return prompt(name, "", "DeblurScaleRecurrent", loader, **IMAGE)


def test_a_model_is_downloaded_from_the_hub_once(server, hub, blurry):
    name = server.upload(blurry)
    found = server.picture(from_hub(name))
    assert_same_picture(found, core_restored(server, "scale-recurrent.safetensors", blurry))
    assert (server.base / "models/deblur" / REPOSITORY / "model.safetensors").is_file()
    asked = len(hub.requests)
    entry = server.wait(server.queue(from_hub(name)))
    (cached,) = [data["nodes"] for event, data in entry["status"]["messages"] if event == "execution_cached"]
    assert "restore" in cached, "downloading a file does not make another one of it"
    assert len(hub.requests) == asked


def test_a_download_can_be_interrupted_and_goes_on(server, hub, blurry):
    whole = r"/cdn/\w+ $"
    hub.faults.append(Fault(whole, pause_seconds=0.5))
    request = from_hub(server.upload(blurry), revision="main")
    seen = len([asked for asked in hub.downloads() if asked.range is None])
    prompt_id = server.queue(request)
    deadline = time.monotonic() + PROMPT_SECONDS
    while len([asked for asked in hub.downloads() if asked.range is None]) == seen and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    start = time.monotonic()
    server.post("/interrupt", {})
    messages = server.wait(prompt_id)["status"]["messages"]
    assert time.monotonic() - start < 2
    (interrupted,) = [data for event, data in messages if event == "execution_interrupted"]
    assert interrupted["node_type"] == "DeblurLoadModelFromHub"
    hub.faults.clear()
    assert_same_picture(server.picture(request), core_restored(server, "scale-recurrent.safetensors", blurry))
    assert hub.downloads()[-1].range not in (None, "bytes=0-"), "what came before the interrupt was kept"


def test_a_model_that_is_not_there_is_explained(server, blurry):
    error = server.error(from_hub(server.upload(blurry), "someone/nothing", "model.safetensors"))
    assert error["node_type"] == "DeblurLoadModelFromHub"
    assert "no repository someone/nothing" in error["exception_message"]
    by_hand = server.base / "models/deblur/someone/nothing/model.safetensors"
    assert f"as {by_hand}" in error["exception_message"]


@pytest.mark.skipif(
    "scale-recurrent-lite" not in CATALOGUE or not CATALOGUE["scale-recurrent-lite"].bundled_path.is_file(),
    reason="the weights of scale-recurrent-lite are not bundled yet",
)
def test_the_bundled_model_brings_the_picture_closer_to_the_sharp_one(server, sharp, blurry):
    found = server.picture(prompt(server.upload(blurry), "scale-recurrent-lite", "DeblurScaleRecurrent", **IMAGE))
    before, after = (float(psnr(to_tensor(image), to_tensor(sharp))) for image in (blurry, found))
    assert after > before
