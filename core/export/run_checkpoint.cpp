// SPDX-License-Identifier: Apache-2.0
#include "core/export/run_checkpoint.h"

#include "core/model/tensor_places.h"

#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

/// Part of a stored tensor, often all of it.
struct ChangedPart {
    std::string name; ///< logical
    WeightPlace place;
};
using ChangedParts = std::map<size_t, std::vector<ChangedPart>>; ///< by index of the stored tensor

class RunSource final : public TensorSource {
public:
    RunSource(std::shared_ptr<const Model> model, std::shared_ptr<const Run> run, ChangedParts parts)
        : model_(std::move(model)), run_(std::move(run)), parts_(std::move(parts)) {}

    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const override {
        const auto it = parts_.find(index);
        if (it == parts_.end()) return source().readRows(index, firstRow, out);
        QS_TRY(const auto values, valuesOf(index, it->second));
        if (out.cols != values->cols() || firstRow > values->rows() || out.rows > values->rows() - firstRow)
            return Error::invalid(fmt::format("rows {} to {} of [{}, {}]", firstRow, firstRow + out.rows,
                                              values->rows(), values->cols()));
        for (size_t r = 0; r < out.rows; ++r)
            std::copy_n(values->row(size_t(firstRow) + r), out.cols, out.row(r));
        return {};
    }
    Result<std::span<const std::byte>> rawBytes(size_t index) const override {
        if (parts_.count(index)) return Error::internal("a changed tensor has no stored bytes");
        return source().rawBytes(index);
    }
    const GgufMetadata* ggufMetadata() const override { return source().ggufMetadata(); }
    const NamedFiles* carriedFiles() const override { return source().carriedFiles(); }

private:
    const Checkpoint& source() const { return model_->checkpoint(); }

    /// The last tensor is kept: writers ask for its rows piece by piece.
    Result<std::shared_ptr<const Matrix>> valuesOf(size_t index,
                                                   const std::vector<ChangedPart>& parts) const {
        const std::lock_guard lock(mutex_);
        if (last_ && lastIndex_ == index) return last_;
        last_.reset();
        QS_TRY(Matrix values, source().readMatrix(index));
        for (const ChangedPart& part : parts) {
            const auto [rows, cols] = placeShape(source(), part.place);
            QS_TRY(Matrix own, run_->changedTensor(part.name, rows, cols));
            if (part.place.whole())
                values = std::move(own);
            else if (rows == 1 && values.rows() == 1)
                scatterVector(part.place, own, values);
            else
                scatterPlace(part.place, own.view(), values.view());
        }
        last_ = std::make_shared<const Matrix>(std::move(values));
        lastIndex_ = index;
        return last_;
    }

    static void scatterVector(const WeightPlace& place, const Matrix& own, Matrix& stored) {
        size_t at = 0;
        for (const RowRange& r : place.rows) {
            std::copy_n(own.data() + at, r.count, stored.data() + r.first);
            at += r.count;
        }
    }

    std::shared_ptr<const Model> model_;
    std::shared_ptr<const Run> run_;
    ChangedParts parts_;
    mutable std::mutex mutex_;
    mutable std::shared_ptr<const Matrix> last_;
    mutable size_t lastIndex_ = 0;
};

} // namespace

Result<std::shared_ptr<const Checkpoint>> runCheckpoint(const std::shared_ptr<const Model>& model,
                                                        const std::shared_ptr<const Run>& run) {
    if (run->changedTensors().empty()) return model->checkpointPtr();
    QS_CHECK(model->requireForward());
    const Checkpoint& source = model->checkpoint();
    const TensorPlaces places(*model);
    ChangedParts parts;
    std::vector<TensorInfo> tensors = source.tensors();
    for (const auto& [name, file] : run->changedTensors()) {
        WeightPlace place = places.of(name);
        if (!isReplaceable(source, place))
            return Error::corrupt(fmt::format("the run changed '{}', which the model does not store so that "
                                              "it can be changed",
                                              name),
                                  run->directory().string());
        TensorInfo& t = tensors[place.index];
        t.verbatim = false;
        t.encoding.clear();
        t.bytes = t.elements() * uint64_t(dtypeInfo(t.dtype).bits / 8);
        parts[place.index].push_back({name, std::move(place)});
    }
    return std::make_shared<const Checkpoint>(source.root(), source.readerId(), std::move(tensors),
                                              std::make_unique<RunSource>(model, run, std::move(parts)),
                                              source.config(), source.noConfigReason());
}

} // namespace qs
