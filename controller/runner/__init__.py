"""The program inside a task's pod: runs one slice's play and reports it in frames."""
