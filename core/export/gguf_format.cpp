// SPDX-License-Identifier: Apache-2.0
#include "core/export/gguf_format.h"

#include "core/export/gguf_blocks.h"
#include "core/export/gguf_layout.h"
#include "core/export/packed_lint.h"

#include <fmt/format.h>

namespace qs {

namespace {

uint64_t totalBytes(const GgufLayout& layout) {
    uint64_t bytes = 0;
    for (const GgufPart& part : layout.parts)
        bytes += ggufFileSize(part, layout.items);
    return bytes;
}

Result<void> tryAllCodes(const ExportSource& source, const GgufLayout& layout) {
    for (const GgufOutput& o : layout.outputs.list) {
        if (!o.quantized()) continue;
        for (const GgufSlice& slice : o.slices)
            for (const PlanEntry* e : slice.entries) {
                if (e->scheme->codec == "ggml") continue; // its own blocks always fit
                QS_TRY(const QuantizedTensor q, source.tensor(*e));
                std::vector<std::byte> blocks(size_t(q.rows * o.rowBytes()));
                if (auto packed = ggufBlocks(q, *o.type, blocks); !packed)
                    return packed.takeError().at(e->target.module);
            }
    }
    return {};
}

/// At most this many names in one message.
constexpr size_t kNamed = 4;
std::string someOf(const std::vector<std::string>& names) {
    const std::span<const std::string> head(names.data(), std::min(names.size(), kNamed));
    const std::string rest = names.size() > kNamed ? fmt::format(" and {} more", names.size() - kNamed) : "";
    return fmt::format("{}{}", fmt::join(head, ", "), rest);
}

class Lint {
public:
    Lint(const Model& model, const Plan& plan) : model_(model) {
        source_.model = &model;
        source_.plan = plan;
    }

    std::vector<LintIssue> run() {
        const GgufArchitecture* architecture = checkModel();
        if (!architecture) return list_.take();
        for (const std::string& what : ggufRefusals(model_.spec(), *architecture))
            list_.error("architecture", "", what);
        checkWindow(*architecture);
        checkTokenizer();
        checkInputs();
        lintActivations(source_.plan, list_);
        lintExtras(source_.plan, "GGUF", list_);
        const bool packed = checkPacked();
        if (auto outputs = ggufOutputs(source_, *architecture); !outputs)
            list_.error("tensor", "", outputs.error().describe());
        else if (!packed)
            checkOutputs(*outputs);
        return list_.take();
    }

private:
    const GgufArchitecture* checkModel() {
        if (!model_.hasForward()) {
            list_.error("architecture", "",
                        "the architecture is not known, so neither are llama.cpp's names for its tensors: " +
                            model_.noForwardReason());
            return nullptr;
        }
        const GgufArchitecture* architecture = ggufArchitectureOf(model_);
        if (!architecture)
            list_.error("architecture", "",
                        fmt::format("llama.cpp has no architecture '{}': export dequantized weights",
                                    model_.spec().architecture));
        return architecture;
    }

    void checkWindow(const GgufArchitecture& architecture) {
        const bool unused = architecture.id == "llama" || architecture.id == "phi3";
        const size_t reach = model_.spec().blocks.front().attention.reach;
        if (unused && reach != 0 && reach < model_.spec().context)
            list_.warn("window",
                       fmt::format("llama.cpp's {} attends to all tokens, not to the last {}: texts "
                                   "longer than that are computed otherwise",
                                   architecture.id, reach));
    }

    void checkTokenizer() {
        if (!model_.tokenizer()) {
            list_.warn("tokenizer", "the model has no tokenizer (" + model_.noTokenizerReason() +
                                        "): the file will hold none, and runtimes take token ids only");
            return;
        }
        if (auto vocabulary = ggufVocabularyFor(model_); !vocabulary)
            list_.error("tokenizer", "", vocabulary.error().describe());
    }

    void checkInputs() {
        const std::string module = firstRoundedInputs(source_.plan);
        if (!module.empty())
            list_.warn("inputs", "llama.cpp rounds inputs in its own way, and not as the scheme of " +
                                     module + " and others says");
    }

    bool checkPacked() {
        for (const PlanEntry& e : source_.plan.entries) {
            if (!e.target.packed) continue;
            list_.general("source-packed", e.target.module,
                          "the source stores this linear already packed: quantize the original model");
            return true;
        }
        return false;
    }

    void checkOutputs(const GgufOutputs& outputs) {
        if (!outputs.nameless.empty() && model_.spec().causal)
            list_.error("tensor", "",
                        "llama.cpp's architecture has no place for " + someOf(outputs.nameless));
        else if (!outputs.nameless.empty())
            list_.warn("head", "llama.cpp runs encoders without their prediction head: " +
                                   someOf(outputs.nameless) + " are left out");
        if (!outputs.leftOut.empty())
            list_.warn("left-out", "the model does not read " + someOf(outputs.leftOut) + ": left out");
        for (const GgufOutput& o : outputs.list) {
            auto type = ggufOutputType(o, source_.checkpoint(), "source");
            if (!type) list_.error("type", type.error().where, type.error().message);
        }
        for (const PlanEntry& e : source_.plan.entries) {
            if (!e.scheme || e.scheme->codec != "int") continue;
            const auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
            if (!codec) continue;
            checkGroup(e, **codec);
        }
    }

    void checkGroup(const PlanEntry& e, const Codec& codec) {
        const auto layout = codec.layout(e.target.rows, e.target.cols);
        if (!layout)
            list_.general("group-divides-row", e.target.module, layout.error().message);
        else if (layout->groups > 1 && layout->groupSize % 32 != 0)
            list_.error("group", e.target.module,
                        fmt::format("groups of {} columns do not fill blocks of 32: choose a multiple of 32",
                                    layout->groupSize));
        if (codec.symmetric() || warnedMinimum_) return;
        warnedMinimum_ = true;
        list_.warn("minimum", "an asymmetric integer grid fits GGUF's blocks only where every -scale * zero "
                              "is an f16 value; the export says where it is not. The codec ggml always fits");
    }

    const Model& model_;
    ExportSource source_;
    LintList list_{"gguf"};
    bool warnedMinimum_ = false;
};

} // namespace

std::vector<LintIssue> lintGguf(const Model& model, const Plan& plan) {
    return Lint(model, plan).run();
}

Result<uint64_t> ggufBytes(const ExportSource& source) {
    QS_TRY(const auto layout, ggufLayout(source));
    if (source.load) QS_CHECK(tryAllCodes(source, *layout)); // else there are none yet
    return totalBytes(*layout);
}

Result<void> writeGgufFolder(const ExportSource& source, const std::filesystem::path& into,
                             const JobContext& job) {
    QS_TRY(const auto layout, ggufLayout(source));
    const double total = double(totalBytes(*layout));
    double done = 0;
    for (const GgufPart& part : layout->parts) {
        const double size = double(ggufFileSize(part, layout->items));
        QS_CHECK(
            writeGguf(into / part.name, part, layout->items, job.part(done / total, (done + size) / total)));
        done += size;
    }
    return writeFileAtomically(into / "quantoscope.json", source.sidecar);
}

} // namespace qs
