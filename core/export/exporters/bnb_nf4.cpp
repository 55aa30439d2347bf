// SPDX-License-Identifier: Apache-2.0
// bitsandbytes NF4, with or without double quantization; see core/model/packed/bnb_nf4.cpp.
#include "core/codec/nf_map.h"
#include "core/export/packed_format.h"
#include "core/export/packed_lint.h"
#include "core/tensor/small_float.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

const ExporterDescriptor& exporter_bnb_nf4();
std::unique_ptr<PackedFormat> makeBnbFormat(const ExportSource& source);

namespace {

bool isNested(const Codec& codec) {
    return codec.params().boolean("double_quant");
}

const char* torchName(DType type) {
    return type == DType::F16 ? "float16" : type == DType::BF16 ? "bfloat16" : "float32";
}

class BnbFormat final : public PackedFormat {
public:
    explicit BnbFormat(const ExportSource& source)
        : plan_(source.plan)
        , checkpoint_(source.checkpoint())
        , kept_(keptModules(*source.model, source.plan)) {}

    const char* layout(const QuantTarget&, const Codec&) const override { return "bnb_nf4"; }

    Result<void> add(size_t entry, const QuantizedTensor& q) override {
        const QuantTarget& t = plan_.entries[entry].target;
        if (!columnsInOrder(q))
            return Error::unsupported("blocks are written in column order only", t.module);
        QS_TRY(const auto codec, codecOf(q));
        if (nested_ && *nested_ != isNested(*codec))
            return Error::unsupported("double quantization is set for all linears or for none", t.module);
        nested_ = isNested(*codec);
        computeType_ = torchName(typeOf(t));
        return {};
    }

    nlohmann::ordered_json config() const override {
        return {{"quant_method", "bitsandbytes"},
                {"load_in_4bit", true},
                {"load_in_8bit", false},
                {"bnb_4bit_quant_type", "nf4"},
                {"bnb_4bit_use_double_quant", nested_.value_or(false)},
                {"bnb_4bit_compute_dtype", computeType_},
                {"bnb_4bit_quant_storage", "uint8"},
                {"llm_int8_skip_modules", kept_}};
    }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_TRY(const GroupLayout l, codec.layout(t.rows, t.cols));
        const size_t blocks = t.rows * l.groups;
        const DType absmax = isNested(codec) ? DType::U8 : DType::F32;
        std::vector<PackedPart> out = {{".weight", DType::U8, {(t.rows * t.cols + 1) / 2, 1}},
                                       {".weight.absmax", absmax, {blocks}},
                                       {".weight.quant_map", DType::F32, {kNf4Values.size()}},
                                       {".weight.quant_state.bitsandbytes__nf4",
                                        DType::U8,
                                        {stateText(t, l.groupSize, codec, 0).size()}}};
        if (isNested(codec)) {
            out.push_back(
                {".weight.nested_absmax", DType::F32, {(blocks + kNestedBlock - 1) / kNestedBlock}});
            out.push_back({".weight.nested_quant_map", DType::F32, {256}});
        }
        return out;
    }

    Result<PackedBytes> pack(const QuantTarget& t, const QuantizedTensor& q,
                             const Codec& codec) const override {
        std::vector<std::byte> codes((q.codes.size() + 1) / 2);
        for (size_t i = 0; i < q.codes.size(); ++i)
            codes[i / 2] |= std::byte(i % 2 ? q.codes[i] : q.codes[i] << 4);
        const std::string state =
            stateText(t, q.layout.groupSize, codec, isNested(codec) ? q.superZero(0, 0) : 0.0f);
        PackedBytes out = {std::move(codes), absmaxBytes(q, codec),
                           bytesOf(std::vector<float>(kNf4Values.begin(), kNf4Values.end())),
                           bytesOf(std::vector<char>(state.begin(), state.end()))};
        if (isNested(codec)) {
            const auto nested = q.superScale.span(), map = dynamicMap().values();
            out.push_back(bytesOf(std::vector<float>(nested.begin(), nested.end())));
            out.push_back(bytesOf(std::vector<float>(map.begin(), map.end())));
        }
        return out;
    }

private:
    DType typeOf(const QuantTarget& t) const { return checkpoint_.tensors()[t.place.index].dtype; }

    static std::vector<std::byte> absmaxBytes(const QuantizedTensor& q, const Codec& codec) {
        if (!isNested(codec))
            return bytesOf(std::vector<float>(q.scale.span().begin(), q.scale.span().end()));
        std::vector<std::byte> out(q.scale.size());
        for (size_t i = 0; i < out.size(); ++i)
            out[i] = std::byte(
                dynamicCode(q.scale.data()[i], q.superScale(0, i / kNestedBlock), q.superZero(0, 0)));
        return out;
    }

    /// As long for every offset: the number has the digits that give a float32 back, and spaces fill up.
    std::string stateText(const QuantTarget& t, size_t block, const Codec& codec, float offset) const {
        std::string text =
            fmt::format(R"({{"quant_type": "nf4", "blocksize": {}, "dtype": "{}", "shape": [{}, {}])", block,
                        torchName(typeOf(t)), t.rows, t.cols);
        if (!isNested(codec)) return text + "}";
        return text + fmt::format(
                          R"(, "nested_blocksize": {}, "nested_dtype": "float32", "nested_offset": {:<16}}})",
                          kNestedBlock, fmt::format("{:.8e}", offset));
    }

    const Plan& plan_;
    const Checkpoint& checkpoint_;
    std::vector<std::string> kept_;
    std::optional<bool> nested_; ///< of the linears seen
    std::string computeType_ = "bfloat16";
};

void check(const std::vector<LintEntry>& entries, LintList& list) {
    for (const LintEntry& e : entries) {
        const std::string& module = e.entry->target.module;
        if (e.codec->bits() != 4)
            list.error("bits", module, fmt::format("bitsandbytes holds NF4, not NF{}", e.codec->bits()));
        else if (isNested(*e.codec) != isNested(*entries.front().codec))
            list.error("mixed", module,
                       fmt::format("double quantization is one setting for all linears, and {} has another",
                                   entries.front().entry->target.module));
        const size_t block = e.layout.groupSize;
        if ((block & (block - 1)) != 0)
            list.error("block", module, fmt::format("blocks of {}: bitsandbytes has powers of two", block));
    }
}

std::vector<LintIssue> lint(const Model& model, const Plan& plan) {
    static const PackedRules rules{.format = "bnb-nf4",
                                   .label = "bitsandbytes",
                                   .bits = {},
                                   .scaleTypes = {},
                                   .floats = {"nf"},
                                   .integers = false};
    return lintPacked(model, plan, rules, [&](const auto& entries, LintList& list) {
        check(entries, list);
        lintPartialNames(model, plan, entries, "llm_int8_skip_modules", list);
    });
}

} // namespace

std::unique_ptr<PackedFormat> makeBnbFormat(const ExportSource& source) {
    return std::make_unique<BnbFormat>(source);
}

const ExporterDescriptor& exporter_bnb_nf4() {
    static const ExporterDescriptor descriptor = [] {
        ExporterDescriptor d;
        d.id = "bnb_nf4";
        d.label = "bitsandbytes NF4";
        d.summary =
            "NF4 as bitsandbytes stores it, with or without double quantization: what QLoRA tuning starts "
            "from.";
        d.citation = "Dettmers et al. 2023, arXiv:2305.14314; layout of bitsandbytes 0.43 and later";
        d.runtimes = {"transformers", "vLLM"};
        d.lint = lint;
        exportAs<exporter_bnb_nf4, makeBnbFormat>(d);
        return d;
    }();
    return descriptor;
}

} // namespace qs
