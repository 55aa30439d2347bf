// SPDX-License-Identifier: Apache-2.0
// A small llama folder with everything an exporter must carry over, and quantized tensors made by hand for
// it.
#pragma once

#include "core/checkpoint/safetensors.h"
#include "core/export/export_source.h"
#include "core/model/weights.h"
#include "core/quant/quantize_common.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

namespace qs::test {

/// 2 blocks, hidden 64, 2 + 1 heads of 32, intermediate 96, vocabulary 40; a bias on q, an integer table, an
/// unknown float tensor, tokenizer files.
struct Fixture {
    std::filesystem::path folder;
    std::shared_ptr<const Model> model;
    std::map<std::string, QuantizedTensor> tensors; ///< what the "run" holds, by module
};

inline SafetensorsItem randomItem(const std::string& name, DType dtype, std::vector<uint64_t> shape,
                                  unsigned seed) {
    return {name, dtype, std::move(shape), [=](std::span<std::byte> out) -> Result<void> {
                std::mt19937 rng(seed);
                if (!dtypeInfo(dtype).floating) {
                    for (std::byte& b : out)
                        b = std::byte(rng() & 0xff);
                    return {};
                }
                std::normal_distribution<float> normal(0, 0.05f);
                std::vector<float> values(out.size() * 8 / size_t(dtypeInfo(dtype).bits));
                for (float& v : values)
                    v = normal(rng);
                return fromFloat(values, dtype, out);
            }};
}

inline std::vector<SafetensorsItem> modelItems(DType dtype) {
    std::vector<SafetensorsItem> items;
    unsigned seed = 1;
    const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
        items.push_back(randomItem(name, dtype, std::move(shape), seed++));
    };
    add("model.embed_tokens.weight", {40, 64});
    for (int b = 0; b < 2; ++b) {
        const std::string p = "model.layers." + std::to_string(b) + ".";
        add(p + "input_layernorm.weight", {64});
        add(p + "post_attention_layernorm.weight", {64});
        add(p + "self_attn.q_proj.weight", {64, 64});
        add(p + "self_attn.q_proj.bias", {64});
        add(p + "self_attn.k_proj.weight", {32, 64});
        add(p + "self_attn.v_proj.weight", {32, 64});
        add(p + "self_attn.o_proj.weight", {64, 64});
        add(p + "mlp.gate_proj.weight", {96, 64});
        add(p + "mlp.up_proj.weight", {96, 64});
        add(p + "mlp.down_proj.weight", {64, 96});
    }
    add("model.norm.weight", {64});
    add("lm_head.weight", {40, 64});
    items.push_back(randomItem("extra.table", DType::I64, {3, 5}, 900));
    items.push_back(randomItem("extra.mask", DType::U8, {7}, 901));
    items.push_back(randomItem("extra.frequencies", DType::F32, {16}, 902));
    return items;
}

inline const char* configText() {
    // Odd spacing, order and numbers on purpose: what is not ours must come through.
    return "{ \"model_type\": \"llama\",\n  \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 64,\n"
           "  \"zz_custom\": {\"b\": 1, \"a\": [1.5, null, 1e-05]}, \"intermediate_size\": 96, "
           "\"vocab_size\": 40,\n"
           "  \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"num_hidden_layers\": 2,\n"
           "  \"rms_norm_eps\": 1e-05, \"rope_theta\": 10000.0, \"max_position_embeddings\": 128,\n"
           "  \"torch_dtype\": \"float16\", \"tie_word_embeddings\": false}\n";
}

/// Writes and opens the folder; `sharded` splits it in two files of the standard names.
inline Fixture writeFixture(const char* name, DType dtype, bool sharded) {
    Fixture f;
    f.folder = scratchDir(name);
    auto items = modelItems(dtype);
    Result<uint64_t> written = uint64_t(0);
    if (!sharded) {
        written = writeSafetensors(f.folder / "model.safetensors", items, {});
    } else {
        nlohmann::json map;
        for (int shard = 0; shard < 2; ++shard) {
            const std::string file = "model-0000" + std::to_string(shard + 1) + "-of-00002.safetensors";
            std::vector<SafetensorsItem> part;
            for (size_t i = 0; i < items.size(); ++i)
                if ((i >= 9) == (shard == 1)) { // cuts block 0 in two
                    part.push_back(items[i]);
                    map[items[i].name] = file;
                }
            written = writeSafetensors(f.folder / file, std::move(part), {});
            if (!written) break;
        }
        std::ofstream(f.folder / "model.safetensors.index.json")
            << nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump();
    }
    if (!written) qFatal("fixture: %s", written.error().describe().c_str());
    std::ofstream(f.folder / "config.json") << configText();
    std::ofstream(f.folder / "special_tokens_map.json") << "{\"bos_token\": \"<s>\"}\n";
    std::ofstream(f.folder / "generation_config.json") << "{}";
    auto model = openModel(f.folder);
    if (!model) qFatal("fixture: %s", model.error().describe().c_str());
    f.model = *model;
    return f;
}

/// One folder per kind for the whole process: no test changes it.
inline Fixture makeFixture(DType dtype = DType::F16, bool sharded = false) {
    static std::map<std::pair<DType, bool>, Fixture> made;
    const auto [it, first] = made.try_emplace({dtype, sharded});
    if (first) {
        const std::string name = "source-" + std::to_string(int(dtype)) + (sharded ? "-sharded" : "");
        it->second = writeFixture(name.c_str(), dtype, sharded);
    }
    Fixture f;
    f.folder = it->second.folder;
    f.model = it->second.model;
    return f;
}

inline Params intParams(nlohmann::json object) {
    const auto d = findCodec("int");
    const auto p = Params::fromJson((*d)->params, object, "test");
    if (!p) qFatal("params: %s", p.error().describe().c_str());
    return *p;
}

inline Scheme schemeOf(const char* codec, nlohmann::json params) {
    auto s = Scheme::make(codec, "rtn");
    if (!s) qFatal("scheme: %s", s.error().describe().c_str());
    auto p = Params::fromJson((*findCodec(codec))->params, params, "test");
    if (!p) qFatal("params: %s", p.error().describe().c_str());
    s->codecParams = *p;
    return *s;
}

inline Scheme intScheme(nlohmann::json object) {
    auto s = Scheme::make("int", "rtn");
    if (!s) qFatal("scheme: %s", s.error().describe().c_str());
    s->codecParams = intParams(std::move(object));
    return *s;
}

/// Normal weights to nearest.
inline QuantizedTensor roundedTensor(const QuantTarget& target, const Codec& codec, std::mt19937& rng) {
    std::normal_distribution<float> normal(0, 0.05f);
    Matrix w(target.rows, target.cols);
    for (float& v : w.span())
        v = normal(rng);
    auto q = quantizeToNearest(w.view(), codec, {}, JobContext());
    if (!q) qFatal("tensor: %s", q.error().describe().c_str());
    return std::move(*q);
}

/// Random codes over the whole range, F16 scales, zero points as the grid has them.
inline QuantizedTensor randomTensor(const QuantTarget& target, const Scheme& scheme, unsigned seed,
                                    bool actOrder = false) {
    std::mt19937 rng(seed);
    const auto codec = createCodec(scheme.codec, scheme.codecParams);
    QuantizedTensor q;
    q.codec = scheme.codec;
    q.codecParams = scheme.codecParams;
    q.rows = target.rows;
    q.cols = target.cols;
    if (scheme.codec != "int") return roundedTensor(target, **codec, rng);
    q.layout = *(*codec)->layout(q.rows, q.cols);
    const int levels = (*codec)->levels();
    q.codes.resize(q.rows * q.cols);
    for (uint8_t& c : q.codes)
        c = uint8_t(rng() % unsigned(levels));
    q.scale = Matrix(q.layout.scaleRows, q.layout.groups);
    q.zero = Matrix(q.layout.scaleRows, q.layout.groups);
    std::uniform_real_distribution<float> scale(0.002f, 0.02f);
    for (float& s : q.scale.span())
        s = halfToFloat(floatToHalf(scale(rng)));
    for (float& z : q.zero.span())
        z = (*codec)->symmetric() ? float(levels / 2) : float(rng() % unsigned(levels));
    if (actOrder) {
        for (size_t c = 0; c < q.cols; ++c)
            q.groupOfColumn.push_back(int32_t(c / q.layout.groupSize));
        std::mt19937 shared(4711); // linears of one site share the order
        std::shuffle(q.groupOfColumn.begin(), q.groupOfColumn.end(), shared);
    }
    return q;
}

inline QuantizedTensor copyOf(const QuantizedTensor& q) {
    QuantizedTensor c;
    c.codec = q.codec;
    c.codecParams = q.codecParams;
    c.rows = q.rows;
    c.cols = q.cols;
    c.layout = q.layout;
    c.codes = q.codes;
    c.scale = q.scale.clone();
    c.zero = q.zero.clone();
    c.superScale = q.superScale.clone();
    c.superZero = q.superZero.clone();
    c.groupOfColumn = q.groupOfColumn;
    return c;
}

/// Value of one weight by the definition of the codec.
inline float valueAt(const QuantizedTensor& q, size_t r, size_t c) {
    if (q.codec != "int") {
        const auto codec = codecOf(q);
        const size_t p = q.parameterRow(r), g = q.groupOf(c);
        return (*codec)->decode(q.codes[r * q.cols + c], q.scale(p, g), q.zero(p, g));
    }
    const size_t g = q.groupOfColumn.empty() ? c / q.layout.groupSize : size_t(q.groupOfColumn[c]);
    const size_t row = q.parameterRow(r);
    return q.scale(row, g) * (float(q.codes[r * q.cols + c]) - q.zero(row, g));
}

/// The scheme of each module, none to keep it.
using SchemeOf = std::function<std::optional<Scheme>(const QuantTarget&)>;

inline Plan planFor(const Fixture& f, const SchemeOf& schemeOf) {
    std::vector<std::optional<Scheme>> schemes;
    for (const QuantTarget& t : f.model->targets())
        schemes.push_back(schemeOf(t));
    return planFromSchemes(schemes, *f.model, 0);
}

/// `f` must outlive the result.
inline ExportSource sourceFor(Fixture& f, const SchemeOf& schemeOf, bool actOrder = false) {
    ExportSource s;
    s.model = f.model.get();
    s.plan = planFor(f, schemeOf);
    unsigned seed = 100;
    f.tensors.clear();
    for (const PlanEntry& e : s.plan.entries)
        if (e.scheme) f.tensors[e.target.module] = randomTensor(e.target, *e.scheme, seed++, actOrder);
    s.load = [&f](const std::string& module) -> Result<QuantizedTensor> {
        const auto it = f.tensors.find(module);
        if (it == f.tensors.end()) return Error::notFound(module);
        return copyOf(it->second);
    };
    s.metadata = {{"quantoscope", "test"}, {"quantoscope_plan", "abc"}};
    s.sidecar = "{\"schema\": \"quantoscope-export\"}\n";
    return s;
}

inline std::string readAll(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline bool hasRule(const std::vector<LintIssue>& issues, const std::string& rule, Severity severity) {
    for (const LintIssue& i : issues)
        if (i.rule == rule && i.severity == severity) return true;
    return false;
}

inline bool hasErrors(const std::vector<LintIssue>& issues) {
    return std::any_of(issues.begin(), issues.end(),
                       [](const LintIssue& i) { return i.severity == Severity::Error; });
}

/// Bytes of tensor `name` in `a` and `b` are the same, as are type and shape.
inline bool sameTensor(const Checkpoint& a, const Checkpoint& b, const std::string& name) {
    const size_t i = a.find(name), j = b.find(name);
    if (i == Checkpoint::npos || j == Checkpoint::npos) return false;
    const auto x = a.rawBytes(i), y = b.rawBytes(j);
    return x && y && a.tensors()[i].dtype == b.tensors()[j].dtype &&
           a.tensors()[i].shape == b.tensors()[j].shape &&
           std::equal(x->begin(), x->end(), y->begin(), y->end());
}

} // namespace qs::test
