"""The course of a comparison, once the data are open."""

import os
import signal
from typing import Any

from absl import flags

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.command_line import compare_flags, training_flags
from tunas_tf.common import json_files, run_config
from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.comparison import ablations, networks
from tunas_tf.comparison.evolution import EvolutionSettings
from tunas_tf.comparison.extent import Extent
from tunas_tf.comparison.plan import Comparison, Search, decisive
from tunas_tf.cost_model import cost_text
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec
from tunas_tf.training import recipe

__all__ = ["compare"]

FLAGS = flags.FLAGS


def _comparison(
    space: spec.SearchSpace, dataset: Any, cost_model: cost_model_lib.CostModel
) -> Comparison:
    """What all items share."""
    from tunas_tf.training import precision, search_job

    target = recipe.cost_target(FLAGS.rl_cost_model_target, cost_model)
    search_job.require_network_at(cost_model, target, FLAGS.cost_tolerance)
    num_examples = dataset.num_examples("search_train")
    bfloat16 = recipe.uses_bfloat16(FLAGS.use_bfloat16, space.name, precision.on_tpu())
    settings, train_settings = compare_flags.settings()
    defaults, train_defaults = compare_flags.defaults()
    data = {
        "num_classes": dataset.num_classes,
        "reward_fraction": dataset.reward_fraction,
        "use_bfloat16": bfloat16,
    }
    derived = {
        **data,
        "total_steps": recipe.total_steps(FLAGS.epochs, num_examples, FLAGS.train_batch_size),
        "rl_cost_model_target": target,
        "model_weight_decay": recipe.weight_decay(FLAGS.model_weight_decay, bfloat16),
        "search_train": num_examples,
        "search_validation": dataset.num_examples("search_validation"),
        "quality": "accuracy",
    }
    train_derived = {
        **data,
        "total_steps": recipe.total_steps(FLAGS.train_epochs, num_examples, FLAGS.train_batch_size),
        "weight_decay": recipe.weight_decay(FLAGS.train_weight_decay, bfloat16),
        "train_split": "search_train",
        "test_split": "test",
    }
    evolution = EvolutionSettings(
        population_size=FLAGS.evolution_population_size,
        num_generations=FLAGS.evolution_num_generations,
        num_parents=FLAGS.evolution_num_parents,
        seed=FLAGS.seed,
    )
    return Comparison(
        FLAGS.output_dir,
        space,
        cost_model,
        target,
        settings,
        derived,
        train_settings,
        train_derived,
        evolution,
        recipe.execution(FLAGS.execution, FLAGS.rematerialize, precision.on_tpu()),
        FLAGS.eval_batch_size,
        training_flags.information({})["versions"],
        defaults,
        train_defaults,
    )


def _extent(comparison: Comparison, cost_model_name: str) -> Extent:
    """What the flags ask for."""
    space, seeds = comparison.space, range(FLAGS.seed, FLAGS.seed + FLAGS.num_searches)

    def price(architecture) -> float:
        cost, _ = cost_model_lib.architecture_cost(
            cost_model_name, architecture, FLAGS.image_size, comparison.derived["num_classes"]
        )
        return cost

    names = FLAGS.reference_networks
    if names is None:
        # Alone, they would be compared with nothing; fixed figures know no scaled networks.
        wanted = FLAGS.num_searches or FLAGS.num_random
        names = [space.name] if wanted and space.reference_indices else []
    searches = tuple(Search(f"seed{seed}", seed) for seed in seeds)
    without_warmup = []
    if searches and FLAGS.fidelity and FLAGS.num_random:
        for name in ("operation_warmup", "filter_warmup"):
            off = ablations.variants(name, comparison.settings)[-1]
            without_warmup.append(ablations.search_of(name, off, FLAGS.seed))
    ablation_seeds = range(FLAGS.seed, FLAGS.seed + FLAGS.num_ablation_searches)
    return Extent(
        searches=searches,
        random=tuple(
            networks.random_networks(
                comparison.cost_model,
                FLAGS.num_random,
                FLAGS.seed,
                *comparison.window,
                FLAGS.filters_multiplier,
            )
        ),
        references=tuple(
            networks.scaled_reference(name, price, comparison.target) for name in names
        ),
        noise_seeds=FLAGS.num_noise_seeds,
        noise_networks=FLAGS.num_noise_networks,
        fidelity_searches=tuple(dict.fromkeys([*searches, *without_warmup]))
        if without_warmup
        else (),
        evolution=FLAGS.evolution,
        ablations={
            name: tuple(
                tuple(ablations.search_of(name, variant, seed) for seed in ablation_seeds)
                for variant in ablations.variants(name, comparison.settings)
            )
            for name in FLAGS.ablations
        },
    )


def _open_directory(comparison: Comparison) -> dict[str, Any]:
    """Makes the directory, or checks that it holds the same comparison; returns its settings.

    Those of evolution may change until one has begun, and without --evolution they do not count.
    """
    from tunas_tf.cost_model import files as cost_model_files
    from tunas_tf.training.run_directory import RunDirectory, load_config

    values = training_flags.settings()
    settings = {name: values[name] for name in values if name not in compare_flags.EXTENT}
    evolution = {name: settings[name] for name in settings if name.startswith("evolution_")}
    path = comparison.path(run_config.FILE_NAME)
    derived = {
        **{f"train_{name}": value for name, value in comparison.train_derived.items()},
        **comparison.derived,
    }
    documents = {
        "search_space": architecture_lib.to_json(comparison.space),
        "cost_model": cost_model_files.to_json(comparison.cost_model, {}),
    }
    try:
        has_begun = os.path.isdir(comparison.path("evolution"))
        if os.path.exists(path) and not (FLAGS.evolution and has_begun):
            noted = load_config(comparison.directory, "compare_search").get("settings", {})
            settings.update({name: noted[name] for name in evolution if name in noted})
        RunDirectory(
            comparison.directory,
            "compare_search",
            settings,
            training_flags.information(derived),
            documents,
        )
    except InputError as error:
        # It speaks of the flag that searches and trainings have.
        raise InputError(str(error).replace("--checkpoint_dir", "--output_dir")) from None
    if FLAGS.evolution and not evolution.items() <= settings.items():
        settings.update(evolution)
        config = json_files.read_json(path, "give another --output_dir", "config")
        write_json(path, {**config, "settings": {**config["settings"], **evolution}})
    return settings


def compare(
    space: spec.SearchSpace,
    dataset: Any,
    cost_model_name: str,
    cost_model: cost_model_lib.CostModel,
) -> None:
    """Compares by the flags: says what it will do, does it, and says what came out.

    Args:
      space: that is searched.
      dataset: its images.
      cost_model_name: of the cost model, which also prices the reference networks.
      cost_model: of `space`.
    """
    comparison = _comparison(space, dataset, cost_model)
    extent = _extent(comparison, cost_model_name)

    from tunas_tf.comparison import jobs, outcome
    from tunas_tf.comparison.progress import Progress
    from tunas_tf.comparison.runner import Runner
    from tunas_tf.comparison.workers import Workers
    from tunas_tf.training.loop import StoppedBySignal

    jobs.check_settings(comparison, extent.all_searches)
    settings = _open_directory(comparison)
    runner = Runner(comparison, extent, FLAGS.seed)
    _say_what_is_to_be_done(comparison, extent, runner, dataset)

    def stop(number, frame):
        del frame
        raise StoppedBySignal(number)

    def work() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        workers, progress = Workers(comparison, FLAGS.workers), Progress(FLAGS.workers)
        try:
            runner.run(workers, progress)
        except StoppedBySignal:
            progress.say("stopping; the same command goes on from here")
            raise
        finally:
            progress.close()
            workers.close()

    training_flags.stop_cleanly(work)
    print(outcome.write(comparison, runner.results, runner.ablations(), decisive(settings)))
    print(f"done; next: python -m tunas_tf.report --run_dir={FLAGS.output_dir}")
    _raise_failures(runner.failures, runner.has_defect)


def _raise_failures(failures: list[str], has_defect: bool) -> None:
    if not failures:
        return
    text = f"{len(failures)} of the items did not succeed; the first: {failures[0]}"
    raise RuntimeError(text) if has_defect else InputError(text)


def _say_what_is_to_be_done(comparison, extent, runner, dataset) -> None:
    low, high = comparison.window
    unit = comparison.cost_model.unit
    madds: dict[str, float] = {}
    for kind, value in runner.remaining():
        madds[kind] = madds.get(kind, 0.0) + value
    costs = [
        f"{n.architecture.ssd} {cost_text.long_number(n.cost, unit)}" for n in extent.references
    ]
    done = len(runner.results)
    training_flags.print_settings(
        f"comparison of searches in {comparison.space.name} on {dataset.name}",
        {
            "cost target": f"{cost_text.long_cost(comparison.target, unit)}, "
            f"{cost_text.long_number(low, unit)} to {cost_text.long_number(high, unit)} are "
            "equal cost",
            "networks learn from": f"{comparison.derived['search_train']} images; chosen by "
            f"{comparison.num_validation_images}, reported on {dataset.num_examples('test')}",
            "steps": f"{comparison.derived['total_steps']} of a search, "
            f"{comparison.train_derived['total_steps']} of a training",
            "references": ", ".join(costs) or "none",
            "done already": f"{done} trainings, {len(runner.found)} searches",
            "to do": ", ".join(f"{n} x {name}" for name, n in runner.counts().items()) or "nothing",
            "multiply-adds": ", ".join(f"{kind} {v:.3g}" for kind, v in madds.items()) or "none",
            "processes": f"{FLAGS.workers}; their output: {comparison.path('workers.log')}",
        },
    )
