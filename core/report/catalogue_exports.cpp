// SPDX-License-Identifier: Apache-2.0
#include "core/export/exporter.h"
#include "core/report/catalogue.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace qs {

using nlohmann::json;

namespace {

constexpr size_t kWidth = 512, kVocabulary = 256, kHeads = 4;
constexpr int kGroups[] = {-1, 0, 16, 32, 64, 128}, kBlockRows[] = {1, 128};
constexpr size_t kMostVariants = 4096;

/// A model of which only names and shapes matter.
class NoValues final : public TensorSource {
public:
    Result<void> readRows(size_t, uint64_t, MatrixView out) const override {
        for (size_t r = 0; r < out.rows; ++r)
            std::fill_n(out.row(r), out.cols, 0.0f);
        return {};
    }
    Result<std::span<const std::byte>> rawBytes(size_t) const override {
        return Error::unsupported("a model of shapes has no bytes");
    }
};

Result<std::shared_ptr<const Model>> modelOfShapes() {
    std::vector<TensorInfo> tensors;
    const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
        TensorInfo t;
        t.name = name;
        t.dtype = DType::BF16;
        t.shape = std::move(shape);
        t.bytes = 2 * t.elements();
        tensors.push_back(std::move(t));
    };
    add("model.embed_tokens.weight", {kVocabulary, kWidth});
    add("model.norm.weight", {kWidth});
    add("model.layers.0.input_layernorm.weight", {kWidth});
    add("model.layers.0.post_attention_layernorm.weight", {kWidth});
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
        add(std::string("model.layers.0.") + name + ".weight", {kWidth, kWidth});
    json config = {{"architectures", {"LlamaForCausalLM"}},
                   {"model_type", "llama"},
                   {"hidden_size", kWidth},
                   {"intermediate_size", kWidth},
                   {"vocab_size", kVocabulary},
                   {"num_attention_heads", kHeads},
                   {"num_key_value_heads", kHeads},
                   {"num_hidden_layers", 1},
                   {"max_position_embeddings", 64},
                   {"rms_norm_eps", 1e-5},
                   {"hidden_act", "silu"},
                   {"tie_word_embeddings", true}};
    return openModel(std::make_shared<const Checkpoint>("shapes", "safetensors", std::move(tensors),
                                                        std::make_unique<NoValues>(), std::move(config)));
}

/// The values that are tried of one parameter.
std::vector<json> valuesOf(const ParamSpec& spec) {
    std::vector<json> out;
    if (spec.type == ParamType::Bool) out = {false, true};
    if (spec.type == ParamType::Choice)
        for (const std::string& c : spec.choices)
            out.push_back(c);
    const bool group = spec.key == "group", blocks = spec.key == "block_rows";
    if ((!group && !blocks) || spec.type != ParamType::Int) return out;
    for (const int n : group ? std::span<const int>(kGroups) : std::span<const int>(kBlockRows))
        if (n >= spec.minimum && n <= spec.maximum) out.push_back(n);
    return out;
}

/// Every combination of a format's bits, choices and usual groups that is one.
std::vector<Params> variantsOf(const CodecDescriptor& d) {
    const Params usual = Params::defaults(d.params);
    std::vector<json> made = {usual.toJson()};
    for (const ParamSpec& spec : d.params) {
        const std::vector<json> values = valuesOf(spec);
        if (values.size() < 2 || made.size() * values.size() > kMostVariants) continue;
        std::vector<json> next;
        for (const json& base : made)
            for (const json& v : values) {
                next.push_back(base);
                next.back()[spec.key] = v;
            }
        made = std::move(next);
    }
    std::vector<Params> out = {usual};
    for (const json& m : made) {
        const auto params = Params::fromJson(d.params, m, d.id);
        if (!params) continue;
        if (d.bits.empty()) out.push_back(*params);
        for (const int bits : d.bits)
            if (auto p = d.withBits(*params, bits)) out.push_back(std::move(*p));
    }
    std::erase_if(out, [&](const Params& p) { return !d.create(p); });
    return out;
}

class Probe {
public:
    explicit Probe(std::shared_ptr<const Model> model) : model_(std::move(model)) {
        for (const ExporterDescriptor* e : exporters()) {
            std::set<std::string> rules; // what is wrong with the model itself
            for (const LintIssue& i : e->lint(*model_, planOf(std::nullopt, {})))
                if (i.severity == Severity::Error) rules.insert(i.rule);
            ofModel_.push_back(std::move(rules));
        }
    }

    bool takes(size_t exporter, const Scheme& scheme, const ModelSettings& settings = {}) const {
        const Plan plan = planOf(scheme, settings);
        if (plan.hasErrors()) return false;
        const auto issues = exporters()[exporter]->lint(*model_, plan);
        return std::none_of(issues.begin(), issues.end(), [&](const LintIssue& i) {
            return i.severity == Severity::Error && !ofModel_[exporter].count(i.rule);
        });
    }

private:
    Plan planOf(const std::optional<Scheme>& scheme, const ModelSettings& settings) const {
        return planFromSchemes(std::vector<std::optional<Scheme>>(model_->targets().size(), scheme), *model_,
                               0, settings);
    }

    std::shared_ptr<const Model> model_;
    std::vector<std::set<std::string>> ofModel_; ///< by exporter
};

/// Schemes of one format, by exporter: one that it takes, if there is one.
using Taken = std::vector<std::optional<Scheme>>;

Result<Taken> takenOf(const CodecDescriptor& d, const Probe& probe, const JobContext& job) {
    Taken out(exporters().size());
    QS_TRY(Scheme scheme, Scheme::make(d.id, "rtn"));
    for (Params& params : variantsOf(d)) {
        QS_CHECK(job.checkpoint());
        scheme.codecParams = std::move(params);
        for (size_t e = 0; e < out.size(); ++e)
            if (!out[e] && probe.takes(e, scheme)) out[e] = scheme;
    }
    return out;
}

bool takesMethod(size_t exporter, const std::string& method, const std::vector<Taken>& taken,
                 const Probe& probe) {
    return std::any_of(taken.begin(), taken.end(), [&](const Taken& t) {
        if (!t[exporter]) return false;
        auto scheme = Scheme::make(t[exporter]->codec, method);
        if (!scheme) return false;
        scheme->codecParams = t[exporter]->codecParams;
        return probe.takes(exporter, *scheme);
    });
}

} // namespace

Result<CatalogueExports> catalogueExports(const JobContext& job) {
    QS_TRY(auto model, modelOfShapes());
    const Probe probe(std::move(model));
    std::vector<Taken> taken;
    for (size_t c = 0; c < codecs().size(); ++c) {
        QS_TRY(Taken t, takenOf(*codecs()[c], probe, job));
        taken.push_back(std::move(t));
        job.report("Formats", double(c + 1), double(codecs().size()));
    }
    const auto plain = std::ranges::find(codecs(), std::string("int"), &CodecDescriptor::id);
    CatalogueExports out;
    for (const CatalogueEntry& entry : catalogue()) {
        QS_CHECK(job.checkpoint());
        std::vector<std::string>& list = out.exporters.emplace_back();
        for (size_t e = 0; e < exporters().size(); ++e) {
            bool takes = false;
            if (entry.kind == CatalogueKind::Method) takes = takesMethod(e, entry.id, taken, probe);
            for (size_t c = 0; entry.kind == CatalogueKind::Codec && c < codecs().size(); ++c)
                takes = takes || (codecs()[c]->id == entry.id && taken[c][e]);
            const auto& integers = taken[size_t(plain - codecs().begin())][e];
            if (entry.kind == CatalogueKind::Transform && integers) {
                QS_TRY(const TransformUse use, TransformUse::make(entry.id));
                ModelSettings settings;
                settings.transforms = {use};
                takes = probe.takes(e, *integers, settings);
            }
            if (takes) list.push_back(exporters()[e]->id);
        }
    }
    return out;
}

} // namespace qs
