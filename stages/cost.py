"""What a training step costs: time with and without augmentation, memory, what crosses between devices."""

from stages.running import Bar, run_stage
from stages.settings import StudySettings
from study import files, storage
from study.data.packed import read_index
from study.measuring.cost import WAYS, fitting, measure, time_steps, two_devices
from study.provenance import Record


def cost(settings: StudySettings, record: Record) -> None:
    run, folder = settings.runs[settings.cost.run], settings.results / "cost"
    wanted = fitting(settings.cost, run, read_index(settings.packed)["pictures"]["train"])
    machines = dict.fromkeys((settings.machine, two_devices(run, settings.machine)))
    with Bar(f"steps of {wanted.run}", len(machines) * wanted.epochs * wanted.steps * run.learning.batch) as bar:
        timed = {machine: time_steps(run, machine, settings.packed, wanted, bar.tell) for machine in machines}
    metrics = measure(run, len(read_index(settings.packed)["classes"]), wanted, timed)
    storage.write_csv(folder / "rounds.csv", files.COSTS, timed[settings.machine])
    storage.write_json(folder / "metrics.json", metrics)
    seconds = ", ".join(f"{way} {1000 * metrics['seconds'][way]:.1f}" for way in WAYS)
    print(f"a step of {metrics['batch']} pictures, in milliseconds: {seconds}", flush=True)
    record.add(data_sha256=read_index(settings.packed)["sha256"])


if __name__ == "__main__":
    run_stage("cost", cost)
