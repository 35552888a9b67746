"""How well halved outputs stand for the mean of many dropout networks (section 4.2)."""

from stages.running import Bar, run_stage
from stages.settings import StudySettings
from study import storage
from study.data.feeding import Feed
from study.data.packed import read_index
from study.machine import set_up
from study.measuring.halving import COLUMNS, FEW, halve, has_dropout
from study.provenance import Record
from study.training import outputs
from study.training.run import load_network


def halve_outputs(settings: StudySettings, record: Record) -> None:
    wanted, machine, index = settings.halve, set_up(settings.machine), read_index(settings.packed)
    run, folder = settings.runs[wanted.run], settings.results / "halve"
    trained = settings.results / "train" / wanted.run / outputs.seed_folder(wanted.seed)
    if wanted.seed in outputs.diverged_seeds(trained.parent):
        storage.write_json(folder / "metrics.json", {"run": wanted.run, "seed": wanted.seed, "diverged": [wanted.seed]})
        print(f"seed {wanted.seed} of {wanted.run} diverged: its outputs are not halved", flush=True)
        return
    network = load_network(run, len(index["classes"]), trained, machine)
    record.inputs(trained / "weights.safetensors")
    record.add(data_sha256=index["sha256"])
    if not has_dropout(network):
        storage.write_json(folder / "metrics.json", {"run": wanted.run, "seed": wanted.seed, "diverged": [], "pictures": 0})
        print(f"{wanted.run} has no dropout: nothing to measure", flush=True)
        return
    feed = Feed(settings.packed, ("test",), run.network.crop, machine.devices[0], run.augmentation, first=wanted.pictures)
    with Bar("dropout's masks", (wanted.masks + FEW[-1]) * -(-len(feed) // wanted.batch), "mask") as bar:
        rows, metrics = halve(network, feed, wanted, bar.tell)
    storage.write_csv(folder / "divergences.csv", COLUMNS, rows)
    storage.write_json(folder / "metrics.json", metrics)
    far = metrics["divergence"]
    print(f"from the geometric mean of {wanted.masks} masks: halved outputs {far['halved']:.3g} nats, "
          f"one mask {far['geometric_1']:.3g}, the mean of 30 {far['geometric_30']:.3g}", flush=True)  # fmt: skip


if __name__ == "__main__":
    run_stage("halve", halve_outputs)
