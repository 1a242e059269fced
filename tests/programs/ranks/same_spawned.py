# option --spawn
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
import torch.multiprocessing


def work(rank, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)

    @torch.compile(backend="eager")
    def f(x):
        return x + 1

    f(torch.ones(3))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, (folder + "/store",), nprocs=2)
