"""What builds of TensorFlow's benchmark_model print, for tests."""

# 1885.74 us on average over 520 runs.
USUAL = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [520]
INFO: Num threads: [1]
INFO: Graph: [/data/local/tmp/m.tflite]
INFO: Loaded model /data/local/tmp/m.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 3.9
INFO: Initialized session in 66.002ms.
INFO: Running benchmark for at least 10 iterations and at least 0.5 seconds.
INFO: count=212 first=637079 curr=2311 min=1204 max=637079 avg=2437.51 std=9011

INFO: Running benchmark for at least 520 iterations and at least 0 seconds.
INFO: count=520 first=2531 curr=2793 min=1171 max=9925 avg=1885.74 std=870

INFO: Inference timings in us: Init: 66002, First inference: 637079, Warmup (avg): 2437.51, \
Inference (avg): 1885.74
INFO: Note: as the benchmark tool itself affects memory footprint, this is approximate.
INFO: Memory footprint delta from the start of the tool (MB): init=5.57031 overall=9.85938
"""

# An older build, which prefixes nothing: 83.1 ms.
OLD = """\
STARTING!
Loaded model /data/local/tmp/m.tflite
Initialized session in 5.413ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=6 first=101222 curr=83022 min=83022 max=101222 avg=89020.5 std=6720

Running benchmark for at least 50 iterations and at least 1 seconds
count=50 first=83604 curr=83615 min=82525 max=91200 avg=83100.4 std=1285

Average inference timings in us: Warmup: 89020.5, Init: 5413, Inference: 83100.4
"""

# A newer build with percentiles, and a network that takes more than a second.
PERCENTILES = """\
INFO: count=1 curr=2637079 p5=2637079 median=2637079 p95=2637079

INFO: count=3 first=1234567 curr=1734567 min=1234567 max=2234567 avg=1.73457e+06 std=408248 \
p5=1234567 median=1734567 p95=2234567

INFO: Inference timings in us: Init: 66002, First inference: 2637079, Warmup (avg): 2.63708e+06, \
Inference (avg): 1.73457e+06
"""

# A model so small that all runs take the same number of microseconds.
ALL_SAME = """\
INFO: count=9001 first=31 curr=7 min=6 max=99 avg=7.04 std=2

INFO: count=30 curr=7(all same)

INFO: Inference timings in us: Init: 102, First inference: 31, Warmup (avg): 7.04, \
Inference (avg): 7
"""
