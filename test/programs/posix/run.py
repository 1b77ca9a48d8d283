"""Cases of POSIX system calls, from its text and the man pages of Linux: `run.py FOLDER [CASE...]` runs them in folders
made there. Says a line for each: its outcome (ok, failed, skipped), name, sentence and what went wrong. Run as root."""

import importlib
import os
import pathlib
import shutil
import sys
import traceback

import case

HERE = pathlib.Path(__file__).parent
OUTCOMES = ("ok", "failed", "skipped")


def attempt(function, folder):
    os.umask(0o022)
    os.mkdir(folder, 0o755)
    os.chdir(folder)
    try:
        function()
        return 0, ""
    except case.Skipped as reason:
        return 2, str(reason)
    except BaseException as error:
        where = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != "attempt"]
        lines = ", ".join(f"{frame.name}:{frame.lineno}" for frame in where)
        return 1, f"{type(error).__name__}: {error} ({lines})"


def run(function, name, folder):
    told, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        code, said = attempt(function, os.path.join(folder, name))
        os.write(say, said[:4000].encode(errors="backslashreplace"))
        os._exit(code)
    os.close(say)
    with os.fdopen(told, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    outcome = OUTCOMES[code] if 0 <= code < len(OUTCOMES) else "failed"
    sentence = " ".join(function.__doc__.split())
    print(outcome, name, sentence, " ".join(said.split()), sep="\t", flush=True)


def main(folder, *names):
    for path in sorted(HERE.glob("*_cases.py")):
        importlib.import_module(path.stem)
    os.chmod(folder, 0o755)
    for function in case.CASES:
        name = f"{function.__module__.removesuffix('_cases')}-{function.__name__}"
        if not names or any(name.startswith(known) for known in names):
            run(function, name, folder)
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


main(*sys.argv[1:])
