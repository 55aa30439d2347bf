// SPDX-License-Identifier: Apache-2.0
#include "core/export/gguf_tensors.h"

#include "core/export/gguf_blocks.h"

#include <fmt/format.h>
#include <set>

namespace qs {

namespace {

constexpr uint32_t kF32 = 0, kF16 = 1, kQ8_0 = 8, kBF16 = 30; // ids of ggml types

/// Every tensor that the forward pass reads.
class UsedTensors {
public:
    explicit UsedTensors(const ModelSpec& spec) {
        const EmbeddingSpec& e = spec.embedding;
        for (const auto* name : {&e.tokens, &e.positions, &e.types, &e.projection})
            add(*name);
        add(e.norm);
        const HeadSpec& h = spec.head;
        add(h.norm);
        add(h.transform);
        add(h.transformNorm);
        for (const auto* name : {&h.projection, &h.weight, &h.bias})
            add(*name);
        for (const BlockSpec& b : spec.blocks)
            add(b);
    }
    bool has(const std::string& name) const { return names_.count(name) != 0; }

private:
    void add(const std::string& name) {
        if (!name.empty()) names_.insert(name);
    }
    void add(const NormSpec& n) {
        for (const std::string& gain : n.gain)
            add(gain);
        add(n.bias);
    }
    void add(const LinearSpec& l) {
        add(l.place.tensor);
        add(l.biasPlace.tensor);
    }
    void add(const BlockSpec& b) {
        for (const SublayerNorms* n : {&b.attentionNorms, &b.mlpNorms})
            for (const NormSpec* norm : {&n->before, &n->output, &n->after})
                add(*norm);
        add(b.attention.qNorm);
        add(b.attention.kNorm);
        for (const LinearSpec* l : b.linears())
            add(*l);
        if (!b.mixture) return;
        add(b.mixture->router);
        add(b.mixture->sharedGate);
    }
    std::set<std::string> names_;
};

/// BERT files from before LayerNorm's tensors were renamed.
std::string_view modernSuffix(std::string_view suffix) {
    return suffix == ".gamma" ? ".weight" : suffix == ".beta" ? ".bias" : suffix;
}

/// One source tensor, where it goes.
struct Destination {
    const GgufName* rule = nullptr; ///< nullptr: nowhere
    GgufNumbers numbers;
    std::string suffix;

    std::string name() const { return fillGgufName(rule->gguf, numbers) + suffix; }
    std::string presented() const { return fillGgufName(rule->hf, numbers) + suffix; }
    bool stacked() const {
        return rule->change == GgufChange::Experts || rule->change == GgufChange::HeadNorms;
    }
};

Destination destinationOf(const GgufArchitecture& architecture, const std::string& name) {
    Destination d;
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos) return d;
    d.suffix = modernSuffix(std::string_view(name).substr(dot));
    if (d.suffix == ".weight" || d.suffix == ".bias")
        d.rule = ggufRuleOfHf(architecture, std::string_view(name).substr(0, dot), d.numbers);
    return d;
}

/// A new tensor of the file, from its first (or only) slice.
GgufOutput outputFor(const Destination& d, const TensorInfo& t, const ModelSpec& spec) {
    GgufOutput o;
    o.name = d.name();
    o.shape = t.shape;
    o.order = rowOrderOf(d.rule->change, spec.heads, spec.kvHeads, spec.headDim);
    const bool weight = d.suffix == ".weight";
    switch (d.rule->change) {
    case GgufChange::Transposed:
        o.transposed = weight && t.shape.size() == 2;
        if (o.transposed) std::swap(o.shape[0], o.shape[1]);
        break;
    case GgufChange::PlusOne:
        o.add = weight ? 1.0f : 0.0f;
        break;
    case GgufChange::RowVector:
        if (t.shape.size() == 2 && t.shape[0] == 1) o.shape.erase(o.shape.begin());
        break;
    default:
        break;
    }
    return o;
}

/// Every member of a stack is there once, in order, and like the first.
Result<void> finishStack(GgufOutput& o, size_t members, const Checkpoint& checkpoint) {
    if (o.slices.size() != members)
        return Error::corrupt(
            fmt::format("{} tensors to be stacked, the model has {}", o.slices.size(), members), o.name);
    for (const GgufSlice& s : o.slices)
        if (checkpoint.tensors()[s.source].shape != o.shape)
            return Error::corrupt("the shapes of the tensors to be stacked differ",
                                  checkpoint.tensors()[s.source].name);
    o.shape.insert(o.shape.begin(), members);
    return {};
}

size_t stackSize(const GgufName& rule, const ModelSpec& spec) {
    if (rule.change == GgufChange::HeadNorms)
        return rule.gguf.find("_k_") != std::string_view::npos ? spec.kvHeads : spec.heads;
    for (const BlockSpec& b : spec.blocks)
        if (b.mixture) return b.mixture->experts.size();
    return 0;
}

/// Collects the outputs while the source's tensors go by.
class Collector {
public:
    Collector(const ExportSource& source, const GgufArchitecture& architecture)
        : source_(source)
        , architecture_(architecture)
        , spec_(source.model->spec())
        , used_(spec_)
        , entries_(source.entriesOfTensor()) {}

    Result<GgufOutputs> collect() {
        const auto& tensors = source_.checkpoint().tensors();
        for (size_t i = 0; i < tensors.size(); ++i) {
            if (!used_.has(tensors[i].name)) {
                out_.leftOut.push_back(tensors[i].name);
                continue;
            }
            const Destination d = destinationOf(architecture_, tensors[i].name);
            if (!d.rule)
                out_.nameless.push_back(tensors[i].name);
            else
                QS_CHECK(add(i, d));
        }
        for (auto& [index, members] : stacks_)
            QS_CHECK(finishStack(out_.list[index], members, source_.checkpoint()));
        return std::move(out_);
    }

private:
    Result<void> add(size_t index, const Destination& d) {
        const GgufSlice slice{index, d.presented(), entries_[index]};
        const auto [it, first] = byName_.try_emplace(d.name(), out_.list.size());
        if (first) {
            out_.list.push_back(outputFor(d, source_.checkpoint().tensors()[index], spec_));
            if (d.stacked()) stacks_.emplace_back(it->second, stackSize(*d.rule, spec_));
        } else if (!d.stacked()) {
            return Error::corrupt(fmt::format("two tensors would be '{}'", d.name()),
                                  source_.checkpoint().tensors()[index].name);
        }
        auto& slices = out_.list[it->second].slices;
        const size_t place = d.stacked() ? size_t(d.numbers.value[1]) : 0;
        if (place != slices.size()) { // checkpoints sort names as text: 0, 1, 10, 11, 2
            pending_[it->second][place] = slice;
        } else {
            slices.push_back(slice);
        }
        auto& waiting = pending_[it->second];
        for (auto next = waiting.find(slices.size()); next != waiting.end();
             next = waiting.find(slices.size()))
            slices.push_back(next->second);
        return {};
    }

    const ExportSource& source_;
    const GgufArchitecture& architecture_;
    const ModelSpec& spec_;
    const UsedTensors used_;
    const std::vector<std::vector<const PlanEntry*>> entries_;
    GgufOutputs out_;
    std::map<std::string, size_t> byName_;
    std::map<size_t, std::map<size_t, GgufSlice>> pending_; ///< of a stack, ahead of their turn
    std::vector<std::pair<size_t, size_t>> stacks_;         ///< output, members
};

bool alwaysFloat32(const GgufOutput& o) {
    if (o.shape.size() < 2 || !o.name.ends_with(".weight")) return true;
    for (const char* part :
         {"_norm.", "ffn_gate_inp.", "ffn_gate_inp_shexp.", "position_embd.", "token_types."})
        if (o.name.find(part) != std::string::npos) return true;
    return false;
}

Result<const GgmlType*> keptType(const GgufOutput& o, const Checkpoint& checkpoint, const std::string& kept) {
    if (alwaysFloat32(o) || kept == "f32") return ggmlType(kF32);
    if (kept == "f16") return ggmlType(kF16);
    if (kept == "bf16") return ggmlType(kBF16);
    if (kept == "q8_0") {
        if (o.cols() % ggmlType(kQ8_0)->elements == 0) return ggmlType(kQ8_0);
        return Error::unsupported(fmt::format("rows of {} values are not whole blocks of 32 of Q8_0: choose "
                                              "f16 for what is kept",
                                              o.cols()),
                                  checkpoint.tensors()[o.slices.front().source].name);
    }
    const TensorInfo& t = checkpoint.tensors()[o.slices.front().source];
    switch (t.dtype) {
    case DType::F16:
        return ggmlType(kF16);
    case DType::BF16:
        return ggmlType(kBF16);
    case DType::F32:
        return ggmlType(kF32);
    default:
        return Error::unsupported(fmt::format("the source stores it as {}: choose f32, f16 or bf16 for what "
                                              "is kept",
                                              dtypeInfo(t.dtype).name),
                                  t.name);
    }
}

/// How many of the source's output rows have a scheme.
uint64_t coveredRows(const GgufSlice& slice) {
    uint64_t rows = 0;
    for (const PlanEntry* e : slice.entries)
        rows += e->target.rows;
    return rows;
}

std::string alternatives(const GgmlType& type, uint64_t cols) {
    if (type.elements > 32 && cols % 32 == 0)
        return "types of blocks of 32 fit (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL), or keep it";
    return "no block type fits: keep it";
}

} // namespace

Result<GgufOutputs> ggufOutputs(const ExportSource& source, const GgufArchitecture& architecture) {
    return Collector(source, architecture).collect();
}

Result<const GgmlType*> ggufOutputType(const GgufOutput& o, const Checkpoint& checkpoint,
                                       const std::string& kept) {
    const uint64_t rows = o.shape.size() < 2 ? 1 : o.shape[o.shape.size() - 2];
    const GgmlType* type = nullptr;
    const PlanEntry* first = nullptr;
    for (const GgufSlice& s : o.slices) {
        if (s.entries.empty() != o.slices.front().entries.empty() ||
            (!s.entries.empty() && coveredRows(s) != rows))
            return Error::unsupported(
                fmt::format("'{}' is one tensor in GGUF ({}), of which only a part is quantized: give all of "
                            "its linears one number format",
                            o.name,
                            o.slices.size() > 1 ? "the experts are stacked" : "its linears are fused"),
                checkpoint.tensors()[s.source].name);
        for (const PlanEntry* e : s.entries) {
            auto own = ggufTypeOf(*e->scheme);
            if (!own) return own.takeError().at(e->target.module);
            if (type && *own != type)
                return Error::unsupported(
                    fmt::format("'{}' is one tensor in GGUF, but {} would be {} and {} {}: give both one "
                                "number format",
                                o.name, first->target.module, type->name, e->target.module, (*own)->name),
                    e->target.module);
            if (!first) first = e;
            type = *own;
        }
    }
    if (!type) return keptType(o, checkpoint, kept);
    if (alwaysFloat32(o))
        return Error::unsupported("llama.cpp wants this tensor in F32: keep it", first->target.module);
    if (o.cols() % type->elements != 0)
        return Error::unsupported(fmt::format("rows of {} values are not whole blocks of {} of {}; {}",
                                              o.cols(), type->elements, type->name,
                                              alternatives(*type, o.cols())),
                                  first->target.module);
    return type;
}

std::vector<GgufItem> ggufRopeItems(const ModelSpec& spec) {
    std::vector<GgufItem> items;
    if (spec.ropes.empty()) return items;
    const RopeSpec& rope = spec.ropes.front();
    const auto add = [&](const char* name, std::vector<float> values) {
        const std::vector<uint64_t> shape = {values.size()};
        items.push_back({name, ggmlType(kF32), shape, [values = std::move(values)](std::span<std::byte> out) {
                             return fromFloat(values, DType::F32, out);
                         }});
    };
    const auto floats = [](const std::vector<double>& list) {
        return std::vector<float>(list.begin(), list.end());
    };
    if (rope.scaling == RopeSpec::Scaling::LongRope) {
        add("rope_factors_long.weight", floats(rope.longFactors));
        add("rope_factors_short.weight", floats(rope.shortFactors));
    } else if (rope.scaling == RopeSpec::Scaling::Llama3) {
        RopeSpec plain;
        plain.theta = rope.theta;
        plain.dims = rope.dims;
        const auto before = plain.inverseFrequencies(1), after = rope.inverseFrequencies(1);
        std::vector<double> divisors;
        for (size_t i = 0; i < before.size(); ++i)
            divisors.push_back(before[i] / after[i]);
        add("rope_freqs.weight", floats(divisors));
    }
    return items;
}

} // namespace qs
