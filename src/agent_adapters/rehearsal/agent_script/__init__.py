"""A scripted coding agent that behaves like the claude CLI: same arguments, same stream of events, no model.

A program of its own (`python -I agent_script/__main__.py`), standard library only. It reads the prompt on standard
input, works in the current directory and makes a small change there. What it does follows from a line of the prompt:

    rehearsal: failure                  one of SCENARIOS; without such a line: success
    rehearsal: usage limit seconds=30   with options: those of the scenario, and COMMON

Options of the command line that it does not know are ignored, as are their values.
"""
