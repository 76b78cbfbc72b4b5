"""Check one submission; Classroom 50's runner starts this in the student's checkout.

Beside this file lies the wheel of minicnn.  The assignment's runtime needs Python 3.11 or newer.
"""

import os
import pathlib
import subprocess
import sys

EXERCISES = "relu_forward,relu_backward,pool_backward"

# -P: a file pip.py, lessons.py or numpy.py of the student's is not imported.
python = [sys.executable, "-P", "-m"]
wheels = sorted(pathlib.Path(__file__).parent.glob("minicnn-*.whl"))
if wheels:
    subprocess.run([*python, "pip", "install", "--quiet", *map(str, wheels)], check=True)
result = pathlib.Path("result.json")
if result.exists():  # the student's
    result.rename("result-of-the-student.json")
command = [*python, "lessons", "check", ".", "--student", os.environ.get("OWNER") or "student"]
command += ["--as", "classroom50", "--report", str(result), "--exercises", EXERCISES]
sys.exit(subprocess.run(command).returncode)
