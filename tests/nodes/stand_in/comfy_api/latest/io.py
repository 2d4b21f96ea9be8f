"""Stand-in for ComfyUI's schema classes: the keywords that ComfyUI 0.18 knows and no other, so that a typo fails."""

from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass
class Input:
    io_type: ClassVar[str] = ""
    id: str
    display_name: str | None = None
    optional: bool = False
    tooltip: str | None = None
    lazy: bool | None = None
    extra_dict: dict | None = None
    raw_link: bool | None = None
    advanced: bool | None = None


@dataclass
class Output:
    io_type: ClassVar[str] = ""
    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None
    is_output_list: bool = False


@dataclass
class _Widget(Input):
    default: Any = None
    socketless: bool | None = None
    force_input: bool | None = None


@dataclass
class _Number(_Widget):
    min: float | None = None
    max: float | None = None
    step: float | None = None
    display_mode: Any = None


@dataclass
class _Text(_Widget):
    multiline: bool = False
    placeholder: str | None = None
    dynamic_prompts: bool | None = None


def _type(name: str, io_type: str, base: type[Input] = Input) -> type:
    sockets = {"Input": type("Input", (base,), {"io_type": io_type})}
    sockets["Output"] = type("Output", (Output,), {"io_type": io_type})
    return type(name, (), {"io_type": io_type, **sockets})


def Custom(io_type: str) -> type:
    return _type(io_type, io_type)


Image = _type("Image", "IMAGE")
Mask = _type("Mask", "MASK")
String = _type("String", "STRING", _Text)
Int = _type("Int", "INT", _Number)
Float = _type("Float", "FLOAT", _Number)


class Combo:
    io_type = "COMBO"

    @dataclass
    class Input(_Widget):
        io_type: ClassVar[str] = "COMBO"
        options: list[str] | None = None


@dataclass
class Schema:
    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list = field(default_factory=list)
    description: str = ""
    search_aliases: list[str] = field(default_factory=list)
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False
    accept_all_inputs: bool = False
    essentials_category: str | None = None


class ComfyNode:
    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        return cls.define_schema()


class NodeOutput:
    def __init__(self, *args, ui=None, expand=None, block_execution=None):
        self.args = args
        self.ui = ui

    def __getitem__(self, index):
        return self.args[index]
