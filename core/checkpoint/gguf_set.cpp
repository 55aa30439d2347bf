// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_set.h"

#include "core/checkpoint/resident_ranges.h"

#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaxPieces = 65535; // split.count is a u16
constexpr size_t kDigits = 5;

/// The five-digit number before the end of `text`, which is cut off; 0 when there is none.
uint64_t takeNumber(std::string_view& text) {
    if (text.size() < kDigits) return 0;
    uint64_t value = 0;
    for (const char c : text.substr(text.size() - kDigits)) {
        if (c < '0' || c > '9') return 0;
        value = value * 10 + uint64_t(c - '0');
    }
    text.remove_suffix(kDigits);
    return value;
}

bool takeText(std::string_view& text, std::string_view tail) {
    if (!text.ends_with(tail)) return false;
    text.remove_suffix(tail.size());
    return true;
}

} // namespace

GgufPiece ggufPiece(const fs::path& path) {
    const std::string name = path.filename().string();
    std::string_view rest = name;
    GgufPiece piece;
    if (!takeText(rest, ".gguf")) return {};
    piece.count = takeNumber(rest);
    if (piece.count == 0 || !takeText(rest, "-of-")) return {};
    piece.number = takeNumber(rest);
    if (piece.number == 0 || piece.number > piece.count || !takeText(rest, "-")) return {};
    piece.prefix = std::string(rest);
    return piece;
}

Result<std::shared_ptr<const GgufSet>> GgufSet::open(const fs::path& path) {
    auto set = std::make_shared<GgufSet>();
    const GgufPiece piece = ggufPiece(path);
    if (piece.count <= 1) {
        QS_CHECK(set->add(path));
        QS_TRY(const uint64_t count, set->metadata().sizeOr("split.count", kMaxPieces, 0));
        if (count > 1)
            return Error::invalid(
                fmt::format("it is one of {} pieces, but its name is not \"NAME-00001-of-{:05}.gguf\", "
                            "so the others cannot be found",
                            count, count),
                set->metadata().place("split.count"));
    } else {
        for (uint64_t i = 1; i <= piece.count; ++i) {
            const fs::path next =
                path.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", piece.prefix, i, piece.count);
            std::error_code ec;
            if (!fs::exists(next, ec))
                return Error::notFound(fmt::format("piece {} of {} is missing", i, piece.count),
                                       next.string());
            QS_CHECK(set->add(next));
        }
        QS_CHECK(set->checkSplit(piece.count));
    }
    QS_CHECK(set->index());
    return std::shared_ptr<const GgufSet>(std::move(set));
}

Result<void> GgufSet::add(const fs::path& path) {
    File file;
    QS_TRY(file.map, MappedFile::open(path));
    QS_TRY(file.header, parseGguf(file.map->bytes(), path.string()));
    for (GgufTensor& t : file.header.tensors)
        tensors_.push_back({t, uint32_t(files_.size())});
    files_.push_back(std::move(file));
    return {};
}

Result<void> GgufSet::checkSplit(uint64_t count) const {
    const auto expect = [](const GgufMetadata& m, std::string_view key, uint64_t wanted) -> Result<void> {
        QS_TRY(const uint64_t found, m.size(key, uint64_t(1) << 31));
        if (found == wanted) return {};
        return Error::corrupt(fmt::format("is {}, the files say {}", found, wanted), m.place(key));
    };
    for (size_t i = 0; i < files_.size(); ++i) {
        const GgufMetadata& m = files_[i].header.metadata;
        QS_CHECK(expect(m, "split.no", i));
        QS_CHECK(expect(m, "split.count", count));
    }
    return expect(metadata(), "split.tensors.count", tensors_.size());
}

Result<void> GgufSet::index() {
    std::vector<std::string_view> names;
    names.reserve(tensors_.size());
    for (const Tensor& t : tensors_)
        names.push_back(t.info.name);
    byName_ = NameIndex(std::move(names));
    if (const auto [a, b] = byName_.duplicate(); a != NameIndex::npos)
        return Error::corrupt(fmt::format("tensor '{}' is in two pieces, {} and {}", tensors_[a].info.name,
                                          fileName(tensors_[a].file), fileName(tensors_[b].file)),
                              place());
    return {};
}

Result<std::span<const std::byte>> GgufSet::bytes(size_t index) const {
    const Tensor& t = tensors_[index];
    const auto& file = files_[t.file].map;
    QS_CHECK(file->stillIntact()); // a page past the end of a shrunken file would kill the process
    return residentRange(file, t.info.offset, t.info.bytes);
}

Result<std::vector<float>> GgufSet::values(size_t index, size_t most) const {
    const GgufTensor& t = tensors_[index].info;
    const std::string where = fmt::format("{}: tensor '{}'", place(), t.name);
    const uint64_t count = t.bytes / t.type->bytes * t.type->elements;
    if (count > most)
        return Error::corrupt(fmt::format("has {} values, at most {} make sense", count, most), where);
    QS_TRY(const auto stored, bytes(index));
    std::vector<float> out(count);
    if (auto read = ggmlToFloat(*t.type, stored, out); !read) return read.takeError().at(where);
    return out;
}

} // namespace qs
