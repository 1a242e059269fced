# TRUTH: rank 1's shard has a last batch of another size; ranks 0 none. rank 1 recompiles Net.forward (size of x); CD803/CD201 on rank 1, line of Net.forward. No hang predicted inside graphs.
import torch, torch.nn as nn, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
    def forward(self, x):
        return self.body(x).squeeze(-1)

def main():
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(0)
    rows = 32 if rank == 0 else 30
    loader = DataLoader(TensorDataset(torch.randn(rows, 16), torch.randn(rows)), batch_size=8)
    model = torch.compile(DDP(Net()), backend="aot_eager")
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(1):
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            opt.zero_grad(); loss.backward(); opt.step()
    dist.destroy_process_group()

if __name__ == "__main__":
    main()
