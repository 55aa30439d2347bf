// SPDX-License-Identifier: Apache-2.0
#include "core/export/gguf_metadata.h"

#include "core/export/export_folder.h"
#include "core/model/gguf_tokenizer.h"
#include "core/text/gguf_export.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr size_t kMaxSmallFile = size_t(64) << 20;

const NormSpec& firstNorm(const ModelSpec& spec) {
    for (const NormSpec* n : {&spec.head.norm, &spec.embedding.norm})
        if (*n) return *n;
    return spec.blocks.front().attentionNorms.before;
}

/// Keys "<architecture>.<suffix>".
class ArchitectureKeys {
public:
    ArchitectureKeys(const ModelSpec& spec, const GgufArchitecture& architecture, GgufFields& fields)
        : spec_(spec), architecture_(architecture), fields_(fields) {}

    void write() {
        sizes();
        norms();
        attention();
        mixture();
        if (!spec_.ropes.empty()) rope(globalRope());
        special();
    }

private:
    std::string key(std::string_view suffix) const { return fmt::format("{}.{}", architecture_.id, suffix); }
    void size(std::string_view suffix, size_t value) { fields_.u32(key(suffix), uint32_t(value)); }
    void number(std::string_view suffix, double value) { fields_.f32(key(suffix), float(value)); }

    void sizes() {
        size("context_length", spec_.context);
        size("embedding_length", spec_.hidden);
        size("block_count", spec_.blocks.size());
        size("feed_forward_length", spec_.intermediate);
        size("vocab_size", spec_.vocabulary);
        size("attention.head_count", spec_.heads);
        size("attention.head_count_kv", spec_.kvHeads);
        if (spec_.headDim * spec_.heads != spec_.hidden) {
            size("attention.key_length", spec_.headDim);
            size("attention.value_length", spec_.headDim);
        }
    }
    void norms() {
        const NormSpec& norm = firstNorm(spec_);
        number(norm.kind == NormSpec::Kind::Rms ? "attention.layer_norm_rms_epsilon"
                                                : "attention.layer_norm_epsilon",
               norm.eps);
    }
    void attention() {
        for (const BlockSpec& b : spec_.blocks)
            if (b.attention.reach != 0) {
                size("attention.sliding_window", b.attention.reach);
                break;
            }
        if (const double cap = spec_.blocks.front().attention.softCap; cap != 0)
            number("attn_logit_softcapping", cap);
        if (spec_.head.softCap != 0) number("final_logit_softcapping", spec_.head.softCap);
    }
    void mixture() {
        for (const BlockSpec& b : spec_.blocks) {
            if (!b.mixture) continue;
            size("expert_count", b.mixture->experts.size());
            size("expert_used_count", b.mixture->topK);
            if (architecture_.family != GgufFamily::QwenMoe) return;
            size("expert_feed_forward_length", b.mixture->experts.front().up.out);
            if (b.mixture->shared) size("expert_shared_feed_forward_length", b.mixture->shared->up.out);
            return;
        }
    }
    /// Of the blocks without a sliding window, where the others have one of their own.
    const RopeSpec& globalRope() const { return spec_.ropes.front(); }

    void rope(const RopeSpec& r) {
        size("rope.dimension_count", r.dims);
        number("rope.freq_base", r.theta);
        if (spec_.ropes.size() > 1) number("rope.freq_base_swa", spec_.ropes[1].theta);
        if (r.scaling == RopeSpec::Scaling::Linear) {
            fields_.text(key("rope.scaling.type"), "linear");
            number("rope.scaling.factor", r.factor);
        } else if (r.scaling == RopeSpec::Scaling::Yarn) {
            fields_.text(key("rope.scaling.type"), "yarn");
            number("rope.scaling.factor", r.factor);
            size("rope.scaling.original_context_length", size_t(r.originalContext));
            number("rope.scaling.yarn_beta_fast", r.betaFast);
            number("rope.scaling.yarn_beta_slow", r.betaSlow);
            // On top of the usual 0.1 ln(factor) + 1.
            number("rope.scaling.attn_factor", r.attentionFactor / (0.1 * std::log(r.factor) + 1));
        } else if (r.scaling == RopeSpec::Scaling::LongRope) {
            fields_.text(key("rope.scaling.type"), "longrope");
            size("rope.scaling.original_context_length", size_t(r.originalContext));
            number("rope.scaling.attn_factor", r.attentionFactor);
        }
    }
    void special() {
        const GgufFamily f = architecture_.family;
        if (f == GgufFamily::GptNeoX || f == GgufFamily::StableLm)
            fields_.boolean(key("use_parallel_residual"), spec_.blocks.front().parallel);
        if (f == GgufFamily::Bert) fields_.boolean(key("attention.causal"), false);
    }

    const ModelSpec& spec_;
    const GgufArchitecture& architecture_;
    GgufFields& fields_;
};

Activation activationOf(GgufFamily family) {
    switch (family) {
    case GgufFamily::Gemma:
    case GgufFamily::Gpt2:
    case GgufFamily::Bloom:
        return Activation::GeluTanh;
    case GgufFamily::GptNeoX:
    case GgufFamily::Falcon:
    case GgufFamily::Bert:
        return Activation::GeluErf;
    default:
        return Activation::Silu;
    }
}

/// The rules of llama.cpp's graphs against one model.
class Refusals {
public:
    Refusals(const ModelSpec& spec, const GgufArchitecture& architecture)
        : spec_(spec), architecture_(architecture) {}

    std::vector<std::string> find() {
        for (const RopeSpec& r : spec_.ropes)
            rope(r);
        for (size_t i = 0; i < spec_.blocks.size(); ++i)
            block(spec_.blocks[i], i);
        return std::move(out_);
    }

private:
    void add(std::string what) {
        if (std::find(out_.begin(), out_.end(), what) == out_.end()) out_.push_back(std::move(what));
    }
    bool is(std::string_view id) const { return architecture_.id == id; }

    void rope(const RopeSpec& r) {
        if (r.scaling == RopeSpec::Scaling::Dynamic)
            add("the rotary scaling 'dynamic' grows with the text, llama.cpp has none that does");
        if (r.scaling == RopeSpec::Scaling::Yarn && !r.truncate)
            add("YaRN with 'truncate' false: llama.cpp always rounds the bounds of the ramp");
        if (architecture_.family == GgufFamily::Llama && r.dims != spec_.headDim)
            add(fmt::format("{} of {} values of a head are rotated: llama.cpp's llama rotates all", r.dims,
                            spec_.headDim));
    }
    void block(const BlockSpec& b, size_t index) {
        const AttentionSpec& a = b.attention;
        if (b.residualFromNorm)
            add("'apply_residual_connection_post_layernorm': llama.cpp's bloom adds to the unnormalized "
                "state");
        if (architecture_.family == GgufFamily::Falcon && (a.alibi || !b.parallel))
            add("Falcon RW (ALiBi, one half after the other): llama.cpp's falcon rotates and is parallel");
        if (!(std::abs(a.scale - usualScale()) <= 1e-6 * usualScale()))
            add(fmt::format("scores are scaled by {:.6g}, llama.cpp scales by {:.6g}", a.scale,
                            usualScale()));
        if (a.softCap != 0 && !is("gemma2"))
            add("attention scores are capped, llama.cpp caps gemma2's alone");
        window(a.reach, index);
        mlp(b);
    }
    /// Recorded nowhere: only Gemma's 27 B models (46 and 62 blocks) scale by hidden / heads.
    double usualScale() const {
        const bool large =
            (is("gemma2") && spec_.blocks.size() == 46) || (is("gemma3") && spec_.blocks.size() == 62);
        return 1 / std::sqrt(double(large ? spec_.hidden / spec_.heads : spec_.headDim));
    }
    void window(size_t reach, size_t index) {
        bool expected = false;
        if (is("gemma2")) expected = index % 2 == 0;
        if (is("gemma3")) expected = (index + 1) % 6 != 0;
        if (is("llama") || is("phi3")) expected = reach != 0; // carried along, not used by llama.cpp
        if ((reach != 0) != (expected && anyWindow()))
            add(fmt::format("which blocks have a sliding window differs from llama.cpp's {}",
                            architecture_.id));
    }
    bool anyWindow() const {
        return std::any_of(spec_.blocks.begin(), spec_.blocks.end(),
                           [](const BlockSpec& b) { return b.attention.reach != 0; });
    }
    void mlp(const BlockSpec& b) {
        const MlpSpec& m = b.mixture ? b.mixture->experts.front() : b.mlp;
        if (m.activation != activationOf(architecture_.family))
            add(fmt::format("the activation is not the one that llama.cpp's {} computes", architecture_.id));
        if (b.mixture && b.mixture->renormalize == is("qwen2moe"))
            add(fmt::format("'norm_topk_prob' is {}: llama.cpp's {} does otherwise", b.mixture->renormalize,
                            architecture_.id));
    }

    const ModelSpec& spec_;
    const GgufArchitecture& architecture_;
    std::vector<std::string> out_;
};

/// Where the tokenizer's files lie: beside a lone weight file, too.
fs::path tokenizerFolder(const Checkpoint& checkpoint) {
    const fs::path folder = companionFolder(checkpoint);
    return folder.empty() ? checkpoint.root().parent_path() : folder;
}

/// LlamaFileType of the type that holds most values of the matrices.
uint32_t fileType(const GgufOutputs& outputs) {
    static constexpr std::pair<std::string_view, uint32_t> kTypes[] = {
        {"F32", 0},     {"F16", 1},     {"Q4_0", 2},  {"Q4_1", 3},  {"Q8_0", 7},  {"Q5_0", 8},
        {"Q5_1", 9},    {"Q2_K", 10},   {"Q3_K", 12}, {"Q4_K", 15}, {"Q5_K", 17}, {"Q6_K", 18},
        {"IQ4_NL", 25}, {"IQ4_XS", 30}, {"BF16", 32}, {"MXFP4", 38}};
    std::map<const GgmlType*, uint64_t> elements;
    for (const GgufOutput& o : outputs.list) {
        if (o.shape.size() < 2) continue;
        uint64_t n = 1;
        for (const uint64_t d : o.shape)
            n *= d;
        elements[o.type] += n;
    }
    const GgmlType* most = nullptr;
    for (const auto& [type, n] : elements)
        if (!most || n > elements[most]) most = type;
    for (const auto& [name, id] : kTypes)
        if (most && most->name == name) return id;
    return 0;
}

bool anyBlocks(const GgufOutputs& outputs) {
    return std::any_of(outputs.list.begin(), outputs.list.end(),
                       [](const GgufOutput& o) { return !o.type->plain; });
}

/// chat_template of tokenizer_config.json (a text, or a list of named ones), or chat_template.jinja.
Result<void> chatTemplate(const fs::path& folder, GgufFields& fields) {
    constexpr const char* kKey = "tokenizer.chat_template";
    std::error_code ec;
    if (fs::is_regular_file(folder / "chat_template.jinja", ec)) {
        QS_TRY(const std::string text, readTextFile(folder / "chat_template.jinja", kMaxSmallFile));
        fields.text(kKey, text);
        return {};
    }
    if (!fs::is_regular_file(folder / "tokenizer_config.json", ec)) return {};
    QS_TRY(const std::string text, readTextFile(folder / "tokenizer_config.json", kMaxSmallFile));
    const json config = json::parse(text, nullptr, false);
    if (!config.is_object() || !config.contains("chat_template")) return {};
    const json& value = config["chat_template"];
    if (value.is_string()) fields.text(kKey, value.get<std::string>());
    if (!value.is_array()) return {};
    std::vector<std::string> names;
    for (const json& t : value) {
        const std::string name = t.is_object() ? t.value("name", "") : "";
        if (name.empty()) continue;
        const std::string body = t.value("template", "");
        if (name != "default") names.push_back(name);
        fields.text(name == "default" ? kKey : fmt::format("{}.{}", kKey, name), body);
    }
    if (!names.empty()) fields.texts("tokenizer.chat_templates", names);
    return {};
}

Result<void> tokenizer(const Model& model, GgufFields& fields) {
    if (const GgufMetadata* metadata = model.checkpoint().ggufMetadata()) {
        for (const GgufMetadata::Entry& e : metadata->entries())
            if (e.key.starts_with("tokenizer.")) fields.copy(std::string(e.key), e.value);
        return {};
    }
    QS_TRY(const auto vocabulary, ggufVocabularyFor(model));
    if (!vocabulary) {
        fields.text("tokenizer.ggml.model", "none");
        return {};
    }
    QS_CHECK(text::requireSameTokens(*vocabulary, *model.tokenizer()));
    setGgufVocabulary(*vocabulary, fields);
    return chatTemplate(tokenizerFolder(model.checkpoint()), fields);
}

} // namespace

std::vector<std::string> ggufRefusals(const ModelSpec& spec, const GgufArchitecture& architecture) {
    return Refusals(spec, architecture).find();
}

Result<std::optional<text::GgufVocabulary>> ggufVocabularyFor(const Model& model) {
    std::optional<text::GgufVocabulary> none;
    if (!model.tokenizer() || model.checkpoint().ggufMetadata()) return none;
    QS_TRY(text::GgufVocabulary v, text::ggufVocabularyOf(tokenizerFolder(model.checkpoint()),
                                                          *model.tokenizer(), model.spec().vocabulary));
    return std::optional(std::move(v));
}

Result<GgufFields> ggufFields(const ExportSource& source, const GgufArchitecture& architecture,
                              const GgufOutputs& outputs) {
    const Model& model = *source.model;
    GgufFields fields;
    fields.text("general.architecture", architecture.id);
    fields.text("general.type", "model");
    fields.text("general.name", model.checkpoint().displayName());
    fields.u32("general.file_type", fileType(outputs));
    if (anyBlocks(outputs)) fields.u32("general.quantization_version", 2);
    ArchitectureKeys(model.spec(), architecture, fields).write();
    QS_CHECK(tokenizer(model, fields));
    for (const GgufOutput& o : outputs.list) // BERT's segments count as part of its vocabulary
        if (o.name == "token_types.weight")
            fields.u32("tokenizer.ggml.token_type_count", uint32_t(o.shape.front()));
    for (const auto& [key, value] : source.metadata) { // "quantoscope_plan" -> "quantoscope.plan"
        std::string dotted = key == "quantoscope" ? "quantoscope.version" : key;
        if (const size_t at = dotted.find('_'); at != std::string::npos) dotted[at] = '.';
        fields.text(dotted, value);
    }
    fields.text("quantoscope.export", source.sidecar);
    return fields;
}

} // namespace qs
