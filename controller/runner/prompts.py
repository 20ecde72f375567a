"""The caller's answers to the prompts of plays (`vars_prompt`): nobody sits at a terminal.

Imported by launch.py only: it needs Ansible.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleParserError


def answer(plays: Iterable[Any], given: Mapping[str, Any]) -> None:
    """Answer the prompts of Ansible's plays with variables of the caller, before the first begins.

    As with Ansible's own `-e`, a given value is taken as it is: not evaluated, nor encrypted by the
    prompt's `encrypt`. Where none is given, Ansible takes the prompt's default. Without that, it
    would go on with the text `None`; instead this raises AnsibleParserError.
    """
    unanswered = dict[str, str]()
    for play in plays:
        for prompt in play.vars_prompt or ():
            name = prompt["name"]
            if name in given:
                # Where Ansible keeps an answer, too.
                play.vars[name] = given[name]
            elif "{{" in str(name):
                # Ansible would evaluate it afterwards, and a value given for it be passed over.
                raise AnsibleParserError(f"vars_prompt: the name {name!r} must be plain text")
            elif prompt.get("default") is None:
                unanswered.setdefault(name, play.get_name())
        play.vars_prompt = [each for each in play.vars_prompt or () if each["name"] not in given]
    if unanswered:
        names = ", ".join(f"{name!r} (play {play!r})" for name, play in unanswered.items())
        raise AnsibleParserError(
            f"vars_prompt asks for {names}: give a value in params or spec.vars, or a default"
        )
