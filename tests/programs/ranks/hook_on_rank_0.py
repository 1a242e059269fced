# summary verdict=unhealthy exit=1
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(8, 8)
        self.second = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.second(self.first(x).relu()).mean()


def log_norm(module, inputs, output):
    print("norm", output.norm().item())  # expect CD101 0; expect CD801 0


model = Net()
if rank == 0:
    model.first.register_forward_hook(log_norm)
compiled = torch.compile(model, backend="aot_eager")
for _ in range(2):
    compiled(torch.randn(4, 8)).backward()

dist.barrier()
dist.destroy_process_group()
