// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/mapped_hdf5.h"

#include "core/checkpoint/reader.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCalibrationSchema = "quantoscope-calibration";
/// Elements read at once: large enough to pass chunks on, small beside a tensor.
constexpr uint64_t kBlockElements = uint64_t(1) << 20;

template<class T>
void convert(const std::byte* in, std::span<float> out) {
    for (float& f : out) {
        T value;
        std::memcpy(&value, in, sizeof value);
        in += sizeof value;
        f = float(value);
    }
}

/// Every type of the listing; integers round to nearest even.
Result<void> toFloatAny(DType type, std::span<const std::byte> in, std::span<float> out) {
    switch (type) {
    case DType::I8:
        convert<int8_t>(in.data(), out);
        return {};
    case DType::U8:
    case DType::Bool:
        convert<uint8_t>(in.data(), out);
        return {};
    case DType::I16:
        convert<int16_t>(in.data(), out);
        return {};
    case DType::U16:
        convert<uint16_t>(in.data(), out);
        return {};
    case DType::I32:
        convert<int32_t>(in.data(), out);
        return {};
    case DType::U32:
        convert<uint32_t>(in.data(), out);
        return {};
    case DType::I64:
        convert<int64_t>(in.data(), out);
        return {};
    case DType::U64:
        convert<uint64_t>(in.data(), out);
        return {};
    default:
        return toFloat(type, in, out);
    }
}

size_t elementBytes(const H5MappedArray& a) {
    return size_t(dtypeInfo(a.type).bits) / 8;
}

} // namespace

bool isCalibration(const H5Listing& listing) {
    if (listing.nodes.empty()) return false;
    for (const H5TextAttribute& a : listing.nodes.front().attributes)
        if (a.name == "schema" && a.values == std::vector<std::string>{kCalibrationSchema}) return true;
    return false;
}

Result<std::unique_ptr<H5Import>> openHdf5Import(const fs::path& path) {
    if (lowerExtension(path) == ".keras")
        return Error::unsupported("a .keras archive: unzip it and open the model.weights.h5 inside",
                                  path.string());
    return H5Import::open(path);
}

Result<std::shared_ptr<const MappedHdf5>> MappedHdf5::open(const fs::path& path, const H5Mapping* mapping) {
    QS_TRY(auto opened, openHdf5Import(path));
    return of(std::move(opened), mapping);
}

Result<std::shared_ptr<const MappedHdf5>> MappedHdf5::of(std::unique_ptr<H5Import> opened,
                                                         const H5Mapping* mapping) {
    const fs::path path = opened->path();
    H5Mapping sidecar;
    if (!mapping) {
        QS_TRY(sidecar, sidecarH5Mapping(path));
        mapping = &sidecar;
    }
    auto file = std::make_shared<MappedHdf5>();
    file->file_ = std::move(opened);
    if (isCalibration(file->listing()))
        return Error::unsupported(
            "a calibration file of this program, not a model: give it as the calibration of its model",
            path.string());
    auto arrays = mapH5Arrays(file->listing(), *mapping);
    if (!arrays) return arrays.takeError().at(path.string());
    file->arrays_ = std::move(*arrays);
    return std::shared_ptr<const MappedHdf5>(std::move(file));
}

Result<std::vector<std::byte>> MappedHdf5::storedBytes(const H5MappedArray& array, uint64_t first,
                                                       uint64_t count) const {
    std::vector<std::byte> bytes(size_t(count) * elementBytes(array));
    QS_CHECK(file_->read(node(array), first, count, bytes));
    return bytes;
}

/// Rows of the matrix as stored.
Result<void> MappedHdf5::readStored(const H5MappedArray& a, uint64_t firstRow, MatrixView out) const {
    if (out.cols == 0) return {};
    // Whole rows, or pieces of one that is longer than a block.
    const size_t rowsAtOnce = size_t(std::max<uint64_t>(1, kBlockElements / out.cols));
    for (size_t r = 0; r < out.rows; r += rowsAtOnce) {
        const size_t rows = std::min(rowsAtOnce, out.rows - r);
        for (size_t c = 0; c < out.cols; c += kBlockElements) {
            const size_t cols = rows > 1 ? out.cols : std::min<size_t>(kBlockElements, out.cols - c);
            QS_TRY(const auto bytes, storedBytes(a, (firstRow + r) * a.cols + c, rows * cols));
            const size_t rowBytes = cols * elementBytes(a);
            for (size_t i = 0; i < rows; ++i)
                QS_CHECK(toFloatAny(a.type, std::span(bytes).subspan(i * rowBytes, rowBytes),
                                    out.rowSpan(r + i).subspan(c, cols)));
        }
    }
    return {};
}

Result<void> MappedHdf5::keepTransposed(const H5MappedArray& a) const {
    if (keptArray_ == &a) return {};
    keptArray_ = nullptr;
    kept_ = Matrix(size_t(a.cols), size_t(a.rows));
    const size_t rowsAtOnce =
        size_t(std::clamp<uint64_t>(kBlockElements / std::max<uint64_t>(a.cols, 1), 1, a.rows));
    Matrix block(rowsAtOnce, size_t(a.cols));
    for (size_t r = 0; r < a.rows; r += rowsAtOnce) {
        const size_t rows = std::min<size_t>(rowsAtOnce, size_t(a.rows) - r);
        QS_CHECK(readStored(a, r, block.view().block(0, rows, 0, block.cols())));
        for (size_t c = 0; c < block.cols(); ++c)
            for (size_t i = 0; i < rows; ++i)
                kept_(c, r + i) = block(i, c);
    }
    keptArray_ = &a;
    return {};
}

Result<void> MappedHdf5::readRows(const H5MappedArray& a, uint64_t firstRow, MatrixView out) const {
    const uint64_t cols = a.shape.empty() ? 1 : a.shape.back();
    const uint64_t rows = cols ? node(a).elements() / cols : 0;
    if (out.cols != cols || firstRow > rows || out.rows > rows - firstRow)
        return Error::invalid(fmt::format("rows {} to {} of {} columns asked of a matrix of {} x {}",
                                          firstRow, firstRow + out.rows, out.cols, rows, cols));
    if (out.size() == 0) return {};
    try {
        if (!a.transpose) return readStored(a, firstRow, out);
        const std::lock_guard lock(mutex_);
        QS_CHECK(keepTransposed(a));
        for (size_t r = 0; r < out.rows; ++r)
            std::copy_n(kept_.row(size_t(firstRow) + r), out.cols, out.row(r));
        return {};
    } catch (const std::bad_alloc&) {
        return noMemory(a);
    }
}

Result<std::vector<std::byte>> MappedHdf5::rawBytes(const H5MappedArray& a) const {
    try {
        const size_t element = elementBytes(a);
        QS_TRY(std::vector<std::byte> stored, storedBytes(a, 0, node(a).elements()));
        if (!a.transpose) return stored;
        std::vector<std::byte> out(stored.size());
        std::byte* to = out.data();
        for (size_t c = 0; c < a.cols; ++c)
            for (size_t r = 0; r < a.rows; ++r, to += element)
                std::memcpy(to, stored.data() + (r * a.cols + c) * element, element);
        return out;
    } catch (const std::bad_alloc&) {
        return noMemory(a);
    }
}

Error MappedHdf5::noMemory(const H5MappedArray& a) const {
    return {ErrorCode::OutOfMemory, fmt::format("no memory for {} values", node(a).elements()),
            path().string() + ": " + node(a).path};
}

namespace {

class Hdf5Source final : public TensorSource {
public:
    Hdf5Source(std::shared_ptr<const MappedHdf5> file, std::vector<const H5MappedArray*> arrays)
        : file_(std::move(file)), arrays_(std::move(arrays)) {}

    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const override {
        QS_CHECK(checkIndex(index));
        return file_->readRows(*arrays_[index], firstRow, out);
    }

    Result<std::span<const std::byte>> rawBytes(size_t index) const override {
        QS_CHECK(checkIndex(index));
        const std::lock_guard lock(mutex_);
        const auto it = raw_.find(index);
        if (it != raw_.end()) return std::span<const std::byte>(it->second);
        QS_TRY(auto bytes, file_->rawBytes(*arrays_[index]));
        return std::span<const std::byte>(raw_[index] = std::move(bytes));
    }

    Result<TensorEnds> ends(size_t index, size_t count) const override {
        QS_CHECK(checkIndex(index));
        const H5MappedArray& a = *arrays_[index];
        const uint64_t all = file_->node(a).elements(), element = uint64_t(dtypeInfo(a.type).bits) / 8;
        const uint64_t n = std::min<uint64_t>(all, count / element);
        TensorEnds out;
        QS_TRY(out.first, file_->storedBytes(a, 0, n));
        QS_TRY(out.last, file_->storedBytes(a, all - n, n));
        return out;
    }

private:
    Result<void> checkIndex(size_t index) const {
        if (index < arrays_.size()) return {};
        return Error::invalid(fmt::format("tensor {} of {} does not exist", index, arrays_.size()));
    }

    std::shared_ptr<const MappedHdf5> file_;
    std::vector<const H5MappedArray*> arrays_; // into *file_
    mutable std::mutex mutex_;
    mutable std::map<size_t, std::vector<std::byte>> raw_; // there is nothing mapped that could be pointed at
};

} // namespace

Result<std::shared_ptr<const Checkpoint>> hdf5Checkpoint(std::shared_ptr<const MappedHdf5> file) {
    std::vector<TensorInfo> tensors;
    std::vector<const H5MappedArray*> arrays;
    size_t activations = 0;
    for (const H5MappedArray& a : file->arrays()) {
        activations += a.role == H5Role::Activation;
        if (a.role == H5Role::Ignore || a.role == H5Role::Activation) continue;
        const uint64_t bytes = file->node(a).elements() * (uint64_t(dtypeInfo(a.type).bits) / 8);
        tensors.push_back({a.name, a.type, a.shape, bytes, file->path().filename().string()});
        arrays.push_back(&a);
    }
    if (tensors.empty())
        return Error::unsupported(activations > 0
                                      ? fmt::format("the file holds {} activations and no weights: it is a "
                                                    "dump to calibrate with, not a model",
                                                    activations)
                                      : "the file holds no array that can be read",
                                  file->path().string());
    auto source = std::make_unique<Hdf5Source>(file, std::move(arrays));
    return std::shared_ptr<const Checkpoint>(std::make_shared<Checkpoint>(
        file->path(), "hdf5", std::move(tensors), std::move(source), nlohmann::json()));
}

} // namespace qs
