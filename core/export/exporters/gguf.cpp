// SPDX-License-Identifier: Apache-2.0
#include "core/export/gguf_format.h"

namespace qs {

namespace {

ExporterDescriptor make();

} // namespace

const ExporterDescriptor& exporter_gguf() {
    static const ExporterDescriptor descriptor = make();
    return descriptor;
}

namespace {

ExporterDescriptor make() {
    ExporterDescriptor d;
    d.id = "gguf";
    d.label = "GGUF";
    d.summary = "One file with weights, tokenizer and metadata, a type per tensor: the blocks of the codec "
                "ggml as they are, and integers of 4, 5 or 8 bits in groups of a multiple of 32.";
    d.citation = "GGUF version 3, the specification in ggml's docs and llama.cpp's reader";
    d.params = {
        ParamSpec::choice("kept", "Kept tensors", "source", {"source", "f32", "f16", "bf16", "q8_0"},
                          "Type of the matrices that were not quantized, embedding and output head "
                          "included. Vectors, norms and routers are always F32, as llama.cpp wants "
                          "them."),
        ParamSpec::integer("split_mb", "Split size", 0, 0, 1000000,
                           "Files of at most this size (each at least one tensor), as llama.cpp's own "
                           "splitting names them. 0: one file.",
                           "MB")
            .asAdvanced()};
    d.runtimes = {"llama.cpp", "Ollama", "LM Studio"};
    d.lint = lintGguf;
    exportBy<exporter_gguf, ggufBytes, writeGgufFolder, verifyGguf>(d);
    return d;
}

} // namespace

} // namespace qs
