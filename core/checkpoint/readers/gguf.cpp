// SPDX-License-Identifier: Apache-2.0
// Reader for GGUF: one file, a split set, or a folder that holds one of either. Files are mapped; opening
// reads headers only (and the small vectors of a rotary scaling).
#include "core/checkpoint/gguf_model.h"
#include "core/checkpoint/reader.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fstream>

namespace qs {

namespace fs = std::filesystem;

namespace {

class GgufSource final : public TensorSource {
public:
    GgufSource(std::shared_ptr<const GgufSet> set, std::vector<GgufView> views)
        : set_(std::move(set)), views_(std::move(views)) {}

    Result<std::span<const std::byte>> rawBytes(size_t index) const override {
        if (index >= views_.size())
            return Error::invalid(fmt::format("tensor {} of {} does not exist", index, views_.size()));
        const GgufView& v = views_[index];
        const GgmlType& type = typeOf(v);
        QS_TRY(const auto bytes, set_->bytes(v.tensor));
        const uint64_t rowBytes = v.storedCols / type.elements * type.bytes;
        return bytes.subspan(size_t(v.firstRow * rowBytes), size_t(v.storedRows * rowBytes));
    }

    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const override {
        QS_TRY(const auto bytes, rawBytes(index));
        const GgufView& v = views_[index];
        const uint64_t rows = v.transposed ? v.storedCols : v.storedRows,
                       cols = v.transposed ? v.storedRows : v.storedCols;
        if (out.cols != cols || firstRow > rows || out.rows > rows - firstRow)
            return Error::invalid(fmt::format("rows {} to {} of {} columns asked of a tensor of {} x {}",
                                              firstRow, firstRow + out.rows, out.cols, rows, cols));
        return readView(v, typeOf(v), bytes, firstRow, out);
    }

    const GgufMetadata* ggufMetadata() const override { return &set_->metadata(); }

private:
    const GgmlType& typeOf(const GgufView& v) const { return *set_->tensors()[v.tensor].info.type; }

    std::shared_ptr<const GgufSet> set_;
    std::vector<GgufView> views_;
};

TensorInfo infoOf(const GgufSet& set, const GgufView& v) {
    const GgufSet::Tensor& stored = set.tensors()[v.tensor];
    const GgmlType& type = *stored.info.type;
    TensorInfo t;
    t.name = v.name;
    t.dtype = type.plain.value_or(DType::F32);
    t.shape = v.shape;
    t.bytes = v.storedRows * (v.storedCols / type.elements * type.bytes);
    t.file = set.fileName(stored.file);
    if (!type.plain) t.encoding = std::string(type.name);
    t.notReadable = std::string(type.notReadable);
    t.verbatim = v.verbatim(type);
    return t;
}

Result<std::shared_ptr<const Checkpoint>> openFile(const fs::path& path) {
    QS_TRY(auto set, GgufSet::open(path));
    QS_TRY(GgufModel model, presentGguf(*set));
    std::vector<TensorInfo> tensors;
    tensors.reserve(model.views.size());
    for (const GgufView& v : model.views)
        tensors.push_back(infoOf(*set, v));
    const fs::path root = set->path();
    return std::shared_ptr<const Checkpoint>(
        std::make_shared<Checkpoint>(root, "gguf", std::move(tensors),
                                     std::make_unique<GgufSource>(std::move(set), std::move(model.views)),
                                     std::move(model.config), std::move(model.reason)));
}

/// The GGUF files of a folder, sorted; of a split model only the first piece that is there.
std::vector<fs::path> modelsIn(const fs::path& folder) {
    std::vector<fs::path> found;
    std::error_code ec;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
        if (it->path().extension() == ".gguf") found.push_back(it->path());
    std::sort(found.begin(), found.end());
    const auto sameModel = [](const fs::path& a, const fs::path& b) {
        const GgufPiece x = ggufPiece(a), y = ggufPiece(b);
        return x.count != 0 && x.count == y.count && x.prefix == y.prefix;
    };
    found.erase(std::unique(found.begin(), found.end(), sameModel), found.end());
    return found;
}

Result<std::shared_ptr<const Checkpoint>> openGguf(const fs::path& path) {
    std::error_code ec;
    if (!fs::is_directory(path, ec)) return openFile(path);
    const std::vector<fs::path> found = modelsIn(path);
    if (found.size() == 1) return openFile(found[0]);
    constexpr size_t kListed = 8;
    std::string names;
    for (size_t i = 0; i < std::min(found.size(), kListed); ++i)
        names += (i ? ", " : "") + found[i].filename().string();
    if (found.size() > kListed) names += ", ...";
    return Error::invalid(fmt::format("the folder holds {} GGUF models: open one of {}", found.size(), names),
                          path.string());
}

bool startsWithMagic(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::array<char, 4> head{};
    return in.read(head.data(), head.size()) && hasGgufMagic(std::as_bytes(std::span(head)));
}

bool acceptsGguf(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return !modelsIn(path).empty();
    return fs::is_regular_file(path, ec) && (path.extension() == ".gguf" || startsWithMagic(path));
}

} // namespace

const ReaderDescriptor& reader_gguf() {
    static const ReaderDescriptor descriptor{
        "gguf",
        "GGUF",
        "GGUF versions 2 and 3, whole or split, with all block formats "
        "but those of lookup grids (IQ1, IQ2, IQ3)",
        {".gguf"},
        acceptsGguf,
        openGguf,
        "version 1; big-endian files; values of the IQ1, IQ2 and IQ3 formats "
        "(shown, not dequantized); tensor types that are not known"};
    return descriptor;
}

} // namespace qs
