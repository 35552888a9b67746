"""Nearest training pictures of test pictures, by features and by pixels (Figure 4)."""

import numpy as np

from stages.running import Bar, run_stage
from stages.settings import StudySettings
from study import files, storage
from study.data.feeding import Feed
from study.data.packed import read_index
from study.machine import set_up
from study.measuring.neighbours import features, measure, nearest, pixels, table
from study.provenance import Record
from study.training import outputs
from study.training.run import load_network


def retrieve(settings: StudySettings, record: Record) -> None:
    wanted, machine, index = settings.retrieve, set_up(settings.machine), read_index(settings.packed)
    run, folder = settings.runs[wanted.run], settings.results / "retrieve"
    trained = settings.results / "train" / wanted.run / outputs.seed_folder(wanted.seed)
    network = load_network(run, len(index["classes"]), trained, machine)
    crop, device = run.network.crop, machine.devices[0]
    train, test = (Feed(settings.packed, (split,), crop, device, run.augmentation) for split in ("train", "test"))
    queries = min(wanted.queries, len(test))
    with Bar("retrieval", 4, "search") as bar:
        stored, asked = features(network, train, wanted.batch), features(network, test, wanted.batch)
        bar.tell(2)
        by_features, distances = nearest(asked[:queries], stored, wanted.neighbours)
        bar.tell(1)
        by_pixels, _ = nearest(pixels(test, wanted.batch)[:queries], pixels(train, wanted.batch), wanted.neighbours)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "features-train.npy", stored)
    np.save(folder / "features-test.npy", asked)
    labels, known = test.labels.numpy()[:queries], train.labels.numpy()
    storage.write_csv(folder / "neighbours.csv", files.NEIGHBOURS, table(labels, known, by_features, distances, by_pixels))
    metrics = measure(wanted.run, labels, known[by_features], known[by_pixels])
    storage.write_json(folder / "metrics.json", metrics)
    print(f"same class among {wanted.neighbours} neighbours: features {metrics['features_match']:.1%}, "
          f"pixels {metrics['pixels_match']:.1%}, chance {metrics['chance']:.1%}", flush=True)  # fmt: skip
    record.inputs(trained / "weights.safetensors")
    record.add(data_sha256=index["sha256"])


if __name__ == "__main__":
    run_stage("retrieve", retrieve)
