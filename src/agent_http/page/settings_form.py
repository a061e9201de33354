"""A client's settings in a form, and a form in the change that PATCH would have. Pure.

A form tells beside what was typed what it had been drawn with (`seen`), so that only what was changed in it is changed
at the client. What is empty goes back to its default. Values of the environment are never in a form.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen
from msgspec import UnsetType

from agent_adapters.wire import camel, from_json
from agent_core.domain.client_settings import ClientSettings, SettingsChange
from agent_core.domain.errors import InvalidValue
from agent_core.domain.settings_rules import check_settings
from agent_http.page.client_facts import plain
from agent_http.page.setting_fields import FIELDS, Kind, SettingField
from agent_http.schema import ClientPatch, settings_change

SPARE = 2
"""Empty boxes after those of a list, for more."""
Form = Mapping[str, str]


@frozen(kw_only=True)
class Variable:
    """One row of the environment, as it stands in a form. `stored`: the client has it, under this name."""

    name: str = ""
    value: str = field(default="", repr=False)
    stored: bool = False
    remove: bool = False


@frozen(kw_only=True)
class Typed:
    """A form's content by the settings' paths: texts, boxes of commands, and rows of variables."""

    texts: Mapping[str, str]
    boxes: Mapping[str, Sequence[str]]
    variables: Sequence[Variable] = field(repr=False)


@frozen(kw_only=True)
class SettingsForm:
    """A form to be drawn. `seen` goes with it; `faults` are by path, those of a list's items by path and index."""

    typed: Typed
    seen: str
    faults: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class WantedChange:
    """What a form changes, None when it is nothing; or why it cannot: faults by path."""

    change: SettingsChange | None = field(repr=False)
    faults: Mapping[str, str]


def drawn(settings: ClientSettings) -> SettingsForm:
    """Return the form of what is stored."""
    typed = _stored(settings)
    return SettingsForm(typed=_with_room(typed), seen=_seen(typed))


def drawn_again(form: Form, faults: Mapping[str, str]) -> SettingsForm:
    """Return the form as it was sent, with its faults."""
    return SettingsForm(typed=_with_room(_sent(form)), seen=form.get("seen", ""), faults=faults)


def wanted(form: Form, settings: ClientSettings) -> WantedChange:
    """Return what the form changes of these settings. Every setting is judged, each by the rules of PATCH."""
    before, typed = _stored(settings), _sent(form)
    seen = dict(pair.split("=", 1) for pair in form.get("seen", "").split() if "=" in pair)
    change: dict[str, dict[str, Any]] = {}
    faults: dict[str, str] = {}
    for setting in FIELDS:
        path, name = setting.path, camel(setting.name)
        if setting.kind is Kind.VARIABLES:
            value, found = _variables(typed.variables, path)
        else:
            now = _digest(setting, typed)
            if now is None or now == (seen.get(path) or _digest(setting, before)):
                continue
            value = _value(setting, typed)
            found = _faults(setting, value)
        faults |= found
        if value or setting.kind is not Kind.VARIABLES:
            change.setdefault(setting.group, {})[name] = value
    if faults or not change:
        return WantedChange(change=None, faults=faults)
    return WantedChange(change=_read(change), faults={})


def _stored(settings: ClientSettings) -> Typed:
    texts, boxes = {}, {}
    for setting in FIELDS:
        value = getattr(getattr(settings, setting.group), setting.name)
        match setting.kind:
            case Kind.COMMANDS:
                boxes[setting.path] = [_one_newline(command) for command in value]
            case Kind.LINES:
                texts[setting.path] = "\n".join(value or ())
            case Kind.VARIABLES:
                pass
            case _:
                texts[setting.path] = "" if value is None else _one_newline(f"{value}")
    rows = [Variable(name=name, stored=True) for name in sorted(settings.agent.env)]
    return Typed(texts=texts, boxes=boxes, variables=rows)


def _sent(form: Form) -> Typed:
    texts, boxes = {}, {}
    for setting in FIELDS:
        if setting.kind is Kind.COMMANDS:
            if f"{setting.path}.0" in form:
                boxes[setting.path] = [form[name] for name in _numbered(form, setting.path)]
        elif setting.kind is not Kind.VARIABLES and setting.path in form:
            texts[setting.path] = form[setting.path]
    rows = [
        Variable(
            name=form[name].strip(),
            value=form.get(name.replace(".name.", ".value."), ""),
            stored=name.replace(".name.", ".stored.") in form,
            remove=name.replace(".name.", ".remove.") in form,
        )
        for name in _numbered(form, "agent.env.name")
    ]
    return Typed(texts=texts, boxes=boxes, variables=rows)


def _numbered(form: Form, path: str) -> Iterable[str]:
    number = 0
    while f"{path}.{number}" in form:
        yield f"{path}.{number}"
        number += 1


def _with_room(typed: Typed) -> Typed:
    room = [""] * SPARE
    boxes = {path: [*(box for box in boxes if box.strip()), *room] for path, boxes in typed.boxes.items()}
    filled = [row for row in typed.variables if row.stored or row.name or row.value]
    return evolve(typed, boxes=boxes, variables=[*filled, *[Variable()] * SPARE])


def _digest(setting: SettingField, typed: Typed) -> str | None:
    """Tell what is typed from other things; None where the form does not have it."""
    if setting.kind is Kind.COMMANDS:
        boxes = typed.boxes.get(setting.path)
        content: object = None if boxes is None else [box for box in boxes if box.strip()]
    else:
        content = typed.texts.get(setting.path)
    if content is None:
        return None
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def _seen(typed: Typed) -> str:
    return " ".join(f"{setting.path}={digest}" for setting in FIELDS if (digest := _digest(setting, typed)) is not None)


def _value(setting: SettingField, typed: Typed) -> Any:
    """Return the value as JSON has it; None where nothing was typed, which means the default."""
    if setting.kind is Kind.COMMANDS:
        return [box for box in typed.boxes[setting.path] if box.strip()] or None
    text = typed.texts[setting.path]
    if not text.strip():
        return None
    match setting.kind:
        case Kind.LINES:
            return [line for line in text.split("\n") if line.strip()]
        case Kind.NUMBER:
            return int(text) if re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", text) else text
        case Kind.MONEY:
            return float(text) if re.fullmatch(r"\s*[0-9]{0,30}\.?[0-9]{1,30}\s*", text) else text
        case Kind.TEXT:
            return text
        case _:
            return text.strip()


def _faults(setting: SettingField, value: Any) -> Mapping[str, str]:
    """Judge a value, and of a list each item, so that each has its fault beside it."""
    if not isinstance(value, list):
        fault = _judged(setting, value)
        return {} if fault is None else {setting.path: fault}
    found = {f"{setting.path}.{n}": fault for n, item in enumerate(value) if (fault := _judged(setting, [item]))}
    if found and setting.kind is Kind.LINES:
        lines = [f"{value[int(path.rpartition('.')[2])][:40]!r} {fault}" for path, fault in found.items()]
        return {setting.path: "; ".join(lines)}
    if not found and (fault := _judged(setting, value)) is not None:
        return {setting.path: fault}
    return found


def _variables(rows: Sequence[Variable], path: str) -> tuple[Mapping[str, str | None], Mapping[str, str]]:
    change: dict[str, str | None] = {}
    faults = {}
    setting = next(setting for setting in FIELDS if setting.kind is Kind.VARIABLES)
    filled = [row for row in rows if row.stored or row.name or row.value]
    for n, row in enumerate(filled):
        if row.stored and row.remove:
            change[row.name] = None
        elif not row.name:
            faults[f"{path}.{n}"] = "must have a name"
        elif row.value or not row.stored:
            change[row.name] = row.value
            if (fault := _judged(setting, {row.name: row.value})) is not None:
                faults[f"{path}.{n}"] = fault
    return change, faults


def _judged(setting: SettingField, value: Any) -> str | None:
    try:
        check_settings(ClientSettings().changed(_read({setting.group: {camel(setting.name): value}})))
    except InvalidValue as error:
        return plain(error)
    return None


def _read(raw: Mapping[str, Mapping[str, Any]]) -> SettingsChange:
    """Read a change as the body of PATCH is read. Raises InvalidValue."""
    settings = from_json({"settings": raw}, ClientPatch).settings
    return {} if isinstance(settings, UnsetType) else settings_change(settings)


def _one_newline(text: str) -> str:
    """Write newlines as a form comes back with."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
