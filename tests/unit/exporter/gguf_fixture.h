// SPDX-License-Identifier: Apache-2.0
// Exports to GGUF for tests: written, verified and opened again; their tensors as they lie in the file.
#pragma once

#include "core/checkpoint/gguf_set.h"
#include "core/evaluate/evaluate.h"
#include "core/export/gguf_format.h"
#include "core/export/gguf_metadata.h"
#include "core/run/run.h"
#include "tests/unit/architecture/golden_case.h"
#include "tests/unit/exporter/export_fixture.h"

#include <cstring>

namespace qs::test {

inline const SchemeOf kNone = [](const QuantTarget&) { return std::nullopt; };

inline Params ggufParams(nlohmann::json object) {
    const auto exporter = findExporter("gguf");
    return *Params::fromJson((*exporter)->params, object, "test");
}

inline ExportSource ggufSource(Fixture& f, const SchemeOf& schemes,
                               nlohmann::json params = nlohmann::json::object(), bool actOrder = false) {
    ExportSource s = sourceFor(f, schemes, actOrder);
    s.params = ggufParams(std::move(params));
    return s;
}

struct Written {
    std::filesystem::path folder;
    Receipt receipt;
    std::shared_ptr<const Model> model;
    std::shared_ptr<const GgufSet> set;
};

inline Result<Written> writeAndVerify(const ExportSource& s, const char* name) {
    Written w;
    w.folder = scratchDir(name);
    QS_TRY(const uint64_t planned, ggufBytes(s));
    QS_CHECK(writeGgufFolder(s, w.folder, JobContext()));
    QS_TRY(w.receipt, verifyGguf(s, w.folder, JobContext()));
    if (w.receipt.bytesWritten != planned) return Error::internal("planned size is not the written one");
    QS_TRY(w.model, openModel(w.folder));
    for (std::filesystem::directory_iterator it(w.folder), end; it != end && !w.set; ++it)
        if (it->path().extension() == ".gguf") {
            QS_TRY(w.set, GgufSet::open(it->path()));
        }
    return w;
}

inline Fixture goldenFixture(const std::string& name) {
    Fixture f;
    f.folder = goldenCase(name);
    const auto model = openModel(f.folder);
    if (!model) qFatal("%s", model.error().describe().c_str());
    f.model = *model;
    return f;
}

inline Result<Matrix> logitsOf(const Model& model, const WeightSource& weights,
                               std::span<const int32_t> tokens) {
    QS_CHECK(model.requireForward());
    const auto backend = makeCpuBackend();
    return computeLogits(model.spec(), weights, {tokens.begin(), tokens.end()}, *backend, {});
}

inline Scheme intOf(int bits, int group, const char* grid = "symmetric") {
    return intScheme({{"bits", bits}, {"group", group}, {"grid", grid}});
}

inline std::string typeOf(const Written& w, const std::string& tensor) {
    const size_t i = w.set->find(tensor);
    return i == GgufSet::npos ? "absent" : std::string(w.set->tensors()[i].info.type->name);
}

inline std::span<const std::byte> bytesOfTensor(const Written& w, const std::string& tensor) {
    const auto bytes = w.set->bytes(w.set->find(tensor));
    if (!bytes) qFatal("%s", bytes.error().describe().c_str());
    return *bytes;
}

inline uint16_t wordAt(std::span<const std::byte> bytes, size_t at) {
    uint16_t v = 0;
    std::memcpy(&v, bytes.data() + at, 2);
    return v;
}

/// A GPT-2 (weights stored [in, out], q, k and v in one) whose rows are whole blocks.
inline Fixture makeGpt2() {
    Fixture f;
    f.folder = scratchDir("gguf-gpt2");
    std::vector<SafetensorsItem> items;
    unsigned seed = 50;
    const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
        items.push_back(randomItem(name, DType::F32, std::move(shape), seed++));
    };
    add("wte.weight", {40, 32});
    add("wpe.weight", {24, 32});
    const std::pair<const char*, std::vector<uint64_t>> parts[] = {
        {"ln_1.weight", {32}},      {"ln_1.bias", {32}},        {"attn.c_attn.weight", {32, 96}},
        {"attn.c_attn.bias", {96}}, {"attn.c_proj.bias", {32}}, {"attn.c_proj.weight", {32, 32}},
        {"ln_2.weight", {32}},      {"ln_2.bias", {32}},        {"mlp.c_fc.weight", {32, 64}},
        {"mlp.c_fc.bias", {64}},    {"mlp.c_proj.bias", {32}},  {"mlp.c_proj.weight", {64, 32}}};
    for (const auto& [name, shape] : parts)
        add(std::string("h.0.") + name, shape);
    add("ln_f.weight", {32});
    add("ln_f.bias", {32});
    const auto written = writeSafetensors(f.folder / "model.safetensors", items, {});
    if (!written) qFatal("%s", written.error().describe().c_str());
    std::ofstream(f.folder / "config.json")
        << R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 32, "n_inner": 64,
               "n_layer": 1, "n_head": 2, "n_positions": 24, "vocab_size": 40, "layer_norm_epsilon": 1e-5})";
    auto model = openModel(f.folder);
    if (!model) qFatal("%s", model.error().describe().c_str());
    f.model = *model;
    return f;
}

/// Every linear whose rows are whole blocks in 8 bits, through a real run and the registry's exporter; the
/// logits of the file against those of the run.
inline double quantizedDifference(const Fixture& f, const std::vector<int32_t>& tokens, size_t& quantized) {
    const Plan plan = planFor(f, [&](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.cols % 32 != 0) return std::nullopt;
        ++quantized;
        return intOf(8, 32);
    });
    const auto backend = makeCpuBackend();
    RunOptions options;
    options.directory = scratchDir("gguf-run");
    const auto run = executePlan(*f.model, plan, nullptr, options, *backend, JobContext());
    if (!run) qFatal("%s", run.error().describe().c_str());
    const auto target = scratchDir("gguf-quantized") / "made";
    const auto receipt =
        exportRun("gguf", {f.model, *run, target, ggufParams({{"kept", "f32"}})}, JobContext());
    if (!receipt) qFatal("%s", receipt.error().describe().c_str());
    const auto written = openModel(target);
    if (!written) qFatal("%s", written.error().describe().c_str());
    const auto weights = runWeights(*run, f.model);
    const auto ofRun = logitsOf(*f.model, **weights, tokens);
    const auto ofFile = logitsOf(**written, *modelWeights(**written), tokens);
    if (!ofRun || !ofFile) qFatal("no logits");
    return largestDifference(ofFile->span(), ofRun->span());
}

} // namespace qs::test
