# expect CD805 1
# summary verdict=healthy exit=0
import os
import subprocess
import sys
import tempfile

import torch
import torch.distributed as dist

own = ("RANK", "COMPILE_DOCTOR", "TORCH_TRACE", "MASTER", "PYTHONPATH")


@torch.compile
def f(x):  # 26 s where it was recorded; less than 10 s more than the others would be CD808 here
    for number in range(4):
        x = x.sin() + x.mean(0) * number
    return x


if "RANK" in os.environ:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    if rank == 0:  # what an earlier run of the job has left on this machine
        plain = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        subprocess.run([sys.executable, __file__], env=plain, check=True)
    else:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()
    dist.barrier()
f(torch.ones(8, 8))

if "RANK" in os.environ:
    dist.barrier()
    dist.destroy_process_group()
