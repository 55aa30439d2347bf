// SPDX-License-Identifier: Apache-2.0
#include "core/export/dequantized_format.h"

namespace qs {

namespace {

ExporterDescriptor make();

} // namespace

const ExporterDescriptor& exporter_dequantized() {
    static const ExporterDescriptor descriptor = make();
    return descriptor;
}

namespace {

ExporterDescriptor make() {
    ExporterDescriptor d;
    d.id = "dequantized";
    d.label = "Dequantized weights";
    d.summary =
        "An ordinary Hugging Face folder with the quantized values written out in floating point. Loads "
        "everywhere and holds any mix of schemes; the file is not smaller.";
    d.citation = "Hugging Face safetensors";
    d.params = {ParamSpec::choice("dtype", "Number format", "source", {"source", "f32", "f16", "bf16"},
                                  "Type of the written linears. Rounding to a 16-bit type moves values "
                                  "slightly; with 7 or more bits it can "
                                  "merge neighbouring codes, then f32 is exact."),
                ParamSpec::integer("shard_mb", "Shard size", 0, 0, 1000000,
                                   "Weight files of at most this size (each at least one tensor). 0: as the "
                                   "source is cut.",
                                   "MB")
                    .asAdvanced()};
    d.runtimes = {"transformers", "vLLM", "SGLang", "llama.cpp (after conversion)"};
    d.lint = lintDequantized;
    exportBy<exporter_dequantized, dequantizedBytes, writeDequantized, verifyDequantized>(d);
    return d;
}

} // namespace

} // namespace qs
