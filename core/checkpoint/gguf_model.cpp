// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_model.h"

#include <fmt/format.h>

namespace qs {

namespace {

constexpr std::string_view kConsumed[] = {"rope_freqs.weight", "rope_factors_long.weight",
                                          "rope_factors_short.weight"}; // in the config instead

class Presenter {
public:
    Presenter(const GgufArchitecture& architecture, const GgufDims& dims, const GgufSet& set)
        : architecture_(architecture), dims_(dims), set_(set) {}

    Result<std::vector<GgufView>> views() {
        for (size_t i = 0; i < set_.tensors().size(); ++i)
            QS_CHECK(present(i));
        return std::move(views_);
    }

private:
    const GgufTensor& tensor(size_t index) const { return set_.tensors()[index].info; }
    std::string place(size_t index) const {
        return fmt::format("{}: tensor '{}'", set_.place(), tensor(index).name);
    }

    Result<void> present(size_t index) {
        const std::string_view name = tensor(index).name;
        if (std::find(std::begin(kConsumed), std::end(kConsumed), name) != std::end(kConsumed)) return {};
        const size_t dot = name.rfind('.');
        const std::string_view suffix = dot == std::string_view::npos ? "" : name.substr(dot);
        GgufNumbers numbers;
        const GgufName* found = suffix == ".weight" || suffix == ".bias"
                                    ? ggufRule(architecture_, name.substr(0, dot), numbers)
                                    : nullptr;
        if (!found) {
            views_.push_back(GgufView::whole(std::string(name), index, tensor(index)));
            return {};
        }
        if (found->change == GgufChange::Experts || found->change == GgufChange::HeadNorms)
            return presentSlices(index, *found, numbers, suffix);
        GgufView v =
            GgufView::whole(fillGgufName(found->hf, numbers) + std::string(suffix), index, tensor(index));
        QS_CHECK(undo(found->change, suffix == ".weight", v));
        views_.push_back(std::move(v));
        return {};
    }

    /// The leading dimension becomes tensors of their own.
    Result<void> presentSlices(size_t index, const GgufName& name, const GgufNumbers& numbers,
                               std::string_view suffix) {
        const GgufTensor& t = tensor(index);
        const bool keys = name.gguf.find("_k_") != std::string_view::npos;
        const uint64_t wanted = name.change == GgufChange::Experts ? dims_.experts
                                : keys                             ? dims_.kvHeads
                                                                   : dims_.heads;
        // Slices without bytes would be as many as a header's number says.
        if (t.shape.size() < 2 || t.shape[0] != wanted || wanted == 0 || t.bytes / wanted == 0)
            return Error::corrupt(
                fmt::format("its leading dimension must be {} and the others above 0, the shape is "
                            "[{}]",
                            wanted, fmt::join(t.shape, ", ")),
                place(index));
        GgufView whole = GgufView::whole("", index, t);
        whole.storedRows /= wanted;
        whole.shape.erase(whole.shape.begin());
        for (uint64_t i = 0; i < wanted; ++i) {
            GgufView v = whole;
            v.name = fillGgufName(name.hf, numbers, i) + std::string(suffix);
            v.firstRow = i * whole.storedRows;
            views_.push_back(std::move(v));
        }
        return {};
    }

    Result<void> undo(GgufChange change, bool weight, GgufView& v) const {
        v.order = rowOrderOf(change, dims_.heads, dims_.kvHeads, dims_.headDim);
        switch (change) {
        case GgufChange::Transposed:
            v.transposed = weight && v.shape.size() == 2;
            if (v.transposed) std::swap(v.shape[0], v.shape[1]);
            break;
        case GgufChange::PlusOne:
            v.add = weight ? -1.0f : 0.0f;
            break;
        case GgufChange::RowVector:
            if (v.shape.size() == 1) v.shape.insert(v.shape.begin(), 1);
            break;
        default:
            break;
        }
        return checkOrder(v);
    }

    Result<void> checkOrder(const GgufView& v) const {
        if (v.order.kind == RowOrder::Kind::AsStored) return {};
        const uint64_t rows = v.shape.empty() ? 0 : v.shape[0];
        const bool pairs = v.order.kind != RowOrder::Kind::RopeHalves || v.order.headDim % 2 == 0;
        if (v.shape.size() <= 2 && rows == v.order.rows() && rows > 0 && pairs) return {};
        return Error::corrupt(
            fmt::format("{} heads ({} key-value) of {} need {} rows in pairs, the shape is [{}]", dims_.heads,
                        dims_.kvHeads, dims_.headDim, v.order.rows(), fmt::join(v.shape, ", ")),
            place(v.tensor));
    }

    const GgufArchitecture& architecture_;
    const GgufDims& dims_;
    const GgufSet& set_;
    std::vector<GgufView> views_;
};

Result<GgufModel> asOriginal(const GgufSet& set) {
    QS_TRY(const std::string_view id, set.metadata().text("general.architecture"));
    const bool twoNorms = set.find("blk.0.attn_norm_2.weight") != GgufSet::npos;
    const GgufArchitecture* architecture = ggufArchitecture(id, twoNorms);
    if (!architecture) {
        std::string known;
        for (const GgufArchitecture& a : ggufArchitectures())
            known += (known.empty() ? "" : ", ") + std::string(a.id);
        return Error::unsupported(fmt::format("architecture '{}' is not known; known: {}", id, known),
                                  set.metadata().place("general.architecture"));
    }
    GgufModel model;
    QS_TRY(const GgufDims dims, ggufDims(*architecture, set));
    QS_TRY(model.config, ggufConfig(*architecture, dims, set));
    QS_TRY(model.views, Presenter(*architecture, dims, set).views());
    return model;
}

} // namespace

Result<GgufModel> presentGguf(const GgufSet& set) {
    GgufModel model;
    if (auto original = asOriginal(set)) {
        model = std::move(*original);
    } else {
        model.reason = original.error().describe();
        for (size_t i = 0; i < set.tensors().size(); ++i)
            model.views.push_back(
                GgufView::whole(std::string(set.tensors()[i].info.name), i, set.tensors()[i].info));
    }
    std::vector<std::string_view> names;
    for (const GgufView& v : model.views)
        names.push_back(v.name);
    const NameIndex index(std::move(names));
    if (const auto [a, b] = index.duplicate(); a != NameIndex::npos)
        return Error::corrupt(fmt::format("tensors '{}' and '{}' both stand for '{}'",
                                          set.tensors()[model.views[a].tensor].info.name,
                                          set.tensors()[model.views[b].tensor].info.name,
                                          model.views[a].name),
                              set.place());
    return model;
}

} // namespace qs
