"""Run the command line: `python -m microfacial`."""

from microfacial.pipeline.cli import run_command_line

if __name__ == "__main__":
    run_command_line()
