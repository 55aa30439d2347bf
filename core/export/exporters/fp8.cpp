// SPDX-License-Identifier: Apache-2.0
// quant_method "fp8": E4M3 weights in blocks, as DeepSeek stores them, or with one scale per tensor; see
// core/model/packed/float8.cpp.
#include "core/codec/levels.h"
#include "core/export/packed_format.h"
#include "core/export/packed_lint.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

const ExporterDescriptor& exporter_fp8();
std::unique_ptr<PackedFormat> makeFp8Format(const ExportSource& source);

namespace {

const SmallFloat& e4m3() {
    return *smallFloat("e4m3");
}

/// [rows, columns] of a block; nothing for one scale per tensor.
std::optional<std::pair<long long, long long>> blockOf(const Codec& codec) {
    const long long rows = codec.params().integer("block_rows"), cols = codec.params().integer("group");
    return rows > 1 ? std::optional(std::pair(rows, cols)) : std::nullopt;
}

class Fp8Format final : public PackedFormat {
public:
    explicit Fp8Format(const ExportSource& source)
        : plan_(source.plan), kept_(keptModules(*source.model, source.plan)) {}

    const char* layout(const QuantTarget&, const Codec& codec) const override {
        return blockOf(codec) ? "fp8_block" : "fp8";
    }

    Result<void> add(size_t entry, const QuantizedTensor& q) override {
        const std::string& module = plan_.entries[entry].target.module;
        if (!columnsInOrder(q)) return Error::unsupported("groups are written in column order only", module);
        QS_TRY(const auto codec, codecOf(q));
        const auto block = blockOf(*codec);
        if (block_ && *block_ != block)
            return Error::unsupported("all linears must have the same block, this one's differs", module);
        block_ = block;
        return {};
    }

    nlohmann::ordered_json config() const override {
        nlohmann::ordered_json out = {
            {"quant_method", "fp8"}, {"fmt", "e4m3"}, {"activation_scheme", "dynamic"}};
        if (block_ && *block_) out["weight_block_size"] = {(*block_)->first, (*block_)->second};
        out["modules_to_not_convert"] = kept_;
        return out;
    }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_TRY(const GroupLayout l, codec.layout(t.rows, t.cols));
        std::vector<PackedPart> out = {{".weight", DType::F8E4M3, {t.rows, t.cols}}};
        if (blockOf(codec))
            out.push_back({".weight_scale_inv", DType::F32, {l.scaleRows, l.groups}});
        else
            out.push_back({".weight_scale", DType::F32, {}});
        return out;
    }

    Result<PackedBytes> pack(const QuantTarget&, const QuantizedTensor& q, const Codec&) const override {
        std::vector<std::byte> codes(q.codes.size());
        for (size_t i = 0; i < codes.size(); ++i)
            codes[i] = std::byte(patternOf(e4m3(), q.codes[i]));
        QS_TRY(auto scales, scaleBytes(q.scale, DType::F32));
        return PackedBytes{std::move(codes), std::move(scales)};
    }

    StoredCodes stored(const QuantTarget&, const Codec&) const override { return StoredCodes(e4m3()); }

private:
    const Plan& plan_;
    std::vector<std::string> kept_;
    std::optional<std::optional<std::pair<long long, long long>>> block_; ///< of the linears seen
};

/// The scheme rounds inputs as runtimes do.
bool takesInputs(const LintEntry& e) {
    const auto& inputs = e.entry->scheme->inputs;
    const auto block = blockOf(*e.codec);
    return inputs && inputs->codec == "float" && inputs->keepAbove == 0 && !inputs->isSearched() &&
           inputs->codecParams.choice("format") == "e4m3" &&
           inputs->codecParams.integer("group") == (block ? block->second : -1);
}

void check(const std::vector<LintEntry>& entries, LintList& list) {
    const LintEntry* first = nullptr;
    for (const LintEntry& e : entries) {
        const std::string& module = e.entry->target.module;
        const Params& p = e.codec->params();
        if (p.choice("format") != "e4m3" || (p.integer("block_rows") == 1 && p.integer("group") != 0)) {
            list.error(
                "format", module,
                fmt::format("{}: this layout holds e4m3 in blocks (group 128, block_rows 128) or with one "
                            "scale per tensor (group 0); compressed-tensors holds one per channel",
                            e.codec->label()));
            continue;
        }
        if (!first) first = &e;
        if (first == &e && !takesInputs(e))
            list.warn("inputs",
                      "runtimes round the inputs to FP8, per token or in the groups of the blocks, and the "
                      "schemes do not say so: the figures of the run were measured without");
        if (blockOf(*e.codec) != blockOf(*first->codec))
            list.error(
                "mixed", module,
                fmt::format("FP8 files have one block size, and {} has another: give all linears the same",
                            first->entry->target.module));
        if (e.layout.blockRows > 1 && (e.layout.blockRows != 128 || e.layout.groupSize != 128) && first == &e)
            list.warn("block", "the kernels of vLLM and transformers want blocks of 128 x 128");
        if (e.layout.scaleRows == 1 && e.layout.blockRows == 1 && first == &e)
            list.warn("tensor",
                      "vLLM rounds the weights of fused linears (q, k, v; gate, up) again to the largest "
                      "of their scales, which moves values: one scale per block or channel avoids it");
    }
}

std::vector<LintIssue> lint(const Model& model, const Plan& plan) {
    static const PackedRules rules{.format = "fp8",
                                   .label = "FP8",
                                   .bits = {},
                                   .scaleTypes = {},
                                   .floats = {"float"},
                                   .integers = false,
                                   .inputs = true};
    return lintPacked(model, plan, rules, check);
}

} // namespace

std::unique_ptr<PackedFormat> makeFp8Format(const ExportSource& source) {
    return std::make_unique<Fp8Format>(source);
}

const ExporterDescriptor& exporter_fp8() {
    static const ExporterDescriptor descriptor = [] {
        ExporterDescriptor d;
        d.id = "fp8";
        d.label = "FP8 (block or tensor)";
        d.summary =
            "E4M3 weights with a scale per block of 128 x 128, as DeepSeek's files have them, or per tensor; "
            "inputs are rounded to FP8 at run time.";
        d.citation = "DeepSeek-V3, arXiv:2412.19437; FineGrainedFP8Config of transformers";
        d.runtimes = {"vLLM", "SGLang", "transformers"};
        d.lint = lint;
        exportAs<exporter_fp8, makeFp8Format>(d);
        return d;
    }();
    return descriptor;
}

} // namespace qs
