// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf.h"

#include "core/checkpoint/json_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kMaxKey = 65535, kMaxName = 255;
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kMinAlignment = 8, kMaxAlignment = uint64_t(1) << 20;
constexpr uint64_t kMinPairBytes = 8 + 1 + 4 + 1;       // key length, key, type, value
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8; // name length, name, dimensions, type, offset

std::string printable(std::string_view text) {
    constexpr size_t kMost = 64;
    return findBadUtf8(text) == std::string::npos && text.size() <= kMost ? std::string(text)
                                                                          : std::string("(unprintable)");
}

/// Reads forward through the header; the first failure carries the offset.
class Cursor {
public:
    Cursor(std::span<const std::byte> file, std::string where) : file_(file), where_(std::move(where)) {}

    uint64_t offset() const { return at_; }
    uint64_t remaining() const { return file_.size() - at_; }
    /// What is being read, for errors: "metadata 'general.name'".
    void enter(std::string part) { part_ = std::move(part); }

    Error corrupt(const std::string& message) const {
        return Error::corrupt(message, part_.empty() ? where_ : where_ + ": " + part_);
    }
    Error unsupported(const std::string& message) const {
        return Error::unsupported(message, part_.empty() ? where_ : where_ + ": " + part_);
    }

    template<class T>
    Result<T> read(std::string_view field) {
        QS_TRY(const auto bytes, take(sizeof(T), field));
        T value;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }

    Result<std::span<const std::byte>> take(uint64_t size, std::string_view field) {
        if (size > remaining())
            return corrupt(fmt::format("{} needs {} bytes at offset {}, the file has {} left", field, size,
                                       at_, remaining()));
        const auto bytes = file_.subspan(at_, size);
        at_ += size;
        return bytes;
    }

    Result<std::string_view> string(std::string_view field) {
        QS_TRY(const uint64_t length, read<uint64_t>(field));
        QS_TRY(const auto bytes, take(length, field));
        return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }

    /// A key or a tensor's name.
    Result<std::string_view> identifier(std::string_view field, size_t most) {
        QS_TRY(const std::string_view text, string(field));
        if (text.empty() || text.size() > most)
            return corrupt(fmt::format("{} must have 1 to {} bytes, has {}", field, most, text.size()));
        if (findBadUtf8(text) != std::string::npos || text.find('\0') != std::string_view::npos)
            return corrupt(fmt::format("{} must be UTF-8 without NUL", field));
        return text;
    }

private:
    std::span<const std::byte> file_;
    std::string where_, part_;
    uint64_t at_ = 0;
};

struct Counts {
    uint32_t version = 0;
    uint64_t tensors = 0, pairs = 0;
};

Result<Counts> readCounts(Cursor& in) {
    QS_TRY(const auto magic, in.take(4, "the magic"));
    if (std::memcmp(magic.data(), "GGUF", 4) != 0) return in.corrupt("the file does not start with \"GGUF\"");
    Counts c;
    QS_TRY(c.version, in.read<uint32_t>("the version"));
    if (c.version != 0 && (c.version & 0xFFFFu) == 0)
        return in.unsupported("the file is big-endian; only little-endian GGUF files are read");
    if (c.version != 2 && c.version != 3)
        return in.unsupported(fmt::format("GGUF version {} is not read; known: 2, 3", c.version));
    QS_TRY(c.tensors, in.read<uint64_t>("the number of tensors"));
    QS_TRY(c.pairs, in.read<uint64_t>("the number of keys"));
    if (c.pairs > in.remaining() / kMinPairBytes)
        return in.corrupt(
            fmt::format("{} keys do not fit in the {} bytes that follow", c.pairs, in.remaining()));
    if (c.tensors > in.remaining() / kMinTensorBytes)
        return in.corrupt(
            fmt::format("{} tensors do not fit in the {} bytes that follow", c.tensors, in.remaining()));
    return c;
}

Result<GgufType> readType(Cursor& in, std::string_view field) {
    QS_TRY(const uint32_t type, in.read<uint32_t>(field));
    if (type > uint32_t(GgufType::F64))
        return in.corrupt(fmt::format("{} must be 0 to {}, got {}", field, uint32_t(GgufType::F64), type));
    return GgufType(type);
}

/// The span of `count` strings; each is stepped over.
Result<std::span<const std::byte>> readStrings(Cursor& in, uint64_t count) {
    Cursor ahead = in;
    for (uint64_t i = 0; i < count; ++i)
        QS_CHECK(ahead.string("a string of the array"));
    return in.take(ahead.offset() - in.offset(), "the array");
}

Result<void> checkBooleans(Cursor& in, std::span<const std::byte> values) {
    for (const std::byte b : values)
        if (std::to_integer<unsigned>(b) > 1)
            return in.corrupt(fmt::format("a boolean must be 0 or 1, got {}", std::to_integer<unsigned>(b)));
    return {};
}

Result<GgufValue> readArray(Cursor& in) {
    GgufValue v;
    v.type = GgufType::Array;
    QS_TRY(v.element, readType(in, "the element type"));
    if (v.element == GgufType::Array) return in.unsupported("arrays of arrays are not read");
    QS_TRY(v.count, in.read<uint64_t>("the element count"));
    const bool strings = v.element == GgufType::String;
    const uint64_t least = strings ? sizeof(uint64_t) : ggufTypeSize(v.element);
    if (v.count > in.remaining() / least)
        return in.corrupt(fmt::format("{} elements of {} do not fit in the {} bytes that follow", v.count,
                                      ggufTypeName(v.element), in.remaining()));
    if (strings) {
        QS_TRY(v.bytes, readStrings(in, v.count));
    } else {
        QS_TRY(v.bytes, in.take(v.count * least, "the array"));
    }
    if (v.element == GgufType::Bool) QS_CHECK(checkBooleans(in, v.bytes));
    return v;
}

Result<GgufValue> readValue(Cursor& in) {
    GgufValue v;
    QS_TRY(v.type, readType(in, "the value type"));
    if (v.type == GgufType::Array) return readArray(in);
    if (v.type == GgufType::String) {
        QS_TRY(const std::string_view text, in.string("the string"));
        v.bytes = std::as_bytes(std::span(text.data(), text.size()));
    } else {
        QS_TRY(v.bytes, in.take(ggufTypeSize(v.type), "the value"));
    }
    if (v.type == GgufType::Bool) QS_CHECK(checkBooleans(in, v.bytes));
    return v;
}

Result<GgufMetadata> readMetadata(Cursor& in, uint64_t count, const std::string& where) {
    std::vector<GgufMetadata::Entry> entries;
    std::vector<std::string_view> keys;
    entries.reserve(count);
    keys.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        in.enter(fmt::format("metadata key {} of {}", i + 1, count));
        QS_TRY(const std::string_view key, in.identifier("the key", kMaxKey));
        in.enter(fmt::format("metadata '{}'", printable(key)));
        QS_TRY(const GgufValue value, readValue(in));
        entries.push_back({key, value});
        keys.push_back(key);
    }
    in.enter("");
    const NameIndex index(std::move(keys));
    if (const auto [a, b] = index.duplicate(); a != NameIndex::npos)
        return in.corrupt(fmt::format("metadata key '{}' appears twice", printable(entries[a].key)));
    return GgufMetadata(std::move(entries), where);
}

Result<uint64_t> alignmentOf(const GgufMetadata& metadata) {
    constexpr std::string_view key = "general.alignment";
    QS_TRY(const uint64_t alignment, metadata.sizeOr(key, kMaxAlignment, 32));
    if (!std::has_single_bit(alignment) || alignment < kMinAlignment)
        return Error::corrupt(fmt::format("must be a power of two from {} to {}, got {}", kMinAlignment,
                                          kMaxAlignment, alignment),
                              metadata.place(key));
    return alignment;
}

Result<std::vector<uint64_t>> readShape(Cursor& in) {
    QS_TRY(const uint32_t dims, in.read<uint32_t>("the number of dimensions"));
    if (dims > kMaxDims)
        return in.corrupt(fmt::format("must have at most {} dimensions, has {}", kMaxDims, dims));
    std::vector<uint64_t> shape(dims);
    for (uint32_t i = 0; i < dims; ++i) {
        QS_TRY(shape[dims - 1 - i], in.read<uint64_t>("a dimension"));
    }
    return shape;
}

Result<const GgmlType*> readTensorType(Cursor& in) {
    QS_TRY(const uint32_t id, in.read<uint32_t>("the type"));
    if (const GgmlType* type = ggmlType(id)) return type;
    const bool removed = id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38);
    return in.unsupported(fmt::format("tensor type {} {}", id,
                                      removed ? "was removed from ggml and is not read" : "is not known"));
}

/// Bytes of a tensor of whole blocks.
Result<uint64_t> storedBytes(const Cursor& in, const GgmlType& type, const std::vector<uint64_t>& shape) {
    const uint64_t contiguous = shape.empty() ? 1 : shape.back();
    if (contiguous % type.elements != 0)
        return in.corrupt(fmt::format("the contiguous dimension {} must be a multiple of {}, the block of {}",
                                      contiguous, type.elements, type.name));
    uint64_t bytes = 0;
    bool overflow = __builtin_mul_overflow(contiguous / type.elements, uint64_t(type.bytes), &bytes);
    for (size_t i = 0; i + 1 < shape.size(); ++i)
        overflow |= __builtin_mul_overflow(bytes, shape[i], &bytes);
    uint64_t elements = 1; // a zero among the dimensions must not hide a product that overflows
    for (const uint64_t d : shape)
        overflow |= __builtin_mul_overflow(elements, std::max<uint64_t>(d, 1), &elements);
    if (overflow)
        return in.corrupt(
            fmt::format("the product of the dimensions [{}] overflows", fmt::join(shape, ", ")));
    return bytes;
}

Result<GgufTensor> readTensor(Cursor& in, uint64_t number, uint64_t count, uint64_t alignment) {
    GgufTensor t;
    in.enter(fmt::format("tensor {} of {}", number, count));
    QS_TRY(t.name, in.identifier("the name", kMaxName));
    in.enter(fmt::format("tensor '{}'", printable(t.name)));
    QS_TRY(t.shape, readShape(in));
    QS_TRY(t.type, readTensorType(in));
    QS_TRY(t.offset, in.read<uint64_t>("the offset"));
    if (t.offset % alignment != 0)
        return in.corrupt(
            fmt::format("offset {} must be a multiple of the alignment {}", t.offset, alignment));
    QS_TRY(t.bytes, storedBytes(in, *t.type, t.shape));
    return t;
}

/// Offsets become positions in the file. They must lie in it and not overlap.
Result<void> placeTensors(GgufHeader& h, uint64_t fileSize, const std::string& where) {
    const uint64_t room = fileSize > h.dataOffset ? fileSize - h.dataOffset : 0;
    const auto in = [&](const GgufTensor& t) { return fmt::format("{}: tensor '{}'", where, t.name); };
    std::vector<const GgufTensor*> order;
    for (GgufTensor& t : h.tensors) {
        if (t.offset > room || t.bytes > room - t.offset)
            return Error::corrupt(
                fmt::format("{} bytes at offset {} do not lie in the data section of {} bytes", t.bytes,
                            t.offset, room),
                in(t));
        t.offset += h.dataOffset;
        if (t.bytes > 0) order.push_back(&t);
    }
    std::sort(order.begin(), order.end(),
              [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
    for (size_t i = 1; i < order.size(); ++i)
        if (order[i]->offset < order[i - 1]->offset + order[i - 1]->bytes)
            return Error::corrupt(fmt::format("its bytes overlap those of '{}'", order[i - 1]->name),
                                  in(*order[i]));
    return {};
}

Result<void> checkNames(const GgufHeader& h, const std::string& where) {
    std::vector<std::string_view> names;
    names.reserve(h.tensors.size());
    for (const GgufTensor& t : h.tensors)
        names.push_back(t.name);
    const NameIndex index(std::move(names));
    if (const auto [a, b] = index.duplicate(); a != NameIndex::npos)
        return Error::corrupt("the name appears twice",
                              fmt::format("{}: tensor '{}'", where, h.tensors[a].name));
    return {};
}

} // namespace

bool hasGgufMagic(std::span<const std::byte> head) {
    return head.size() >= 4 && std::memcmp(head.data(), "GGUF", 4) == 0;
}

Result<GgufHeader> parseGguf(std::span<const std::byte> file, const std::string& where) {
    Cursor in(file, where);
    QS_TRY(const Counts counts, readCounts(in));
    GgufHeader h;
    h.version = counts.version;
    QS_TRY(h.metadata, readMetadata(in, counts.pairs, where));
    QS_TRY(h.alignment, alignmentOf(h.metadata));
    if (counts.tensors > in.remaining() / kMinTensorBytes)
        return in.corrupt(fmt::format("{} tensors do not fit in the {} bytes that follow the metadata",
                                      counts.tensors, in.remaining()));
    h.tensors.reserve(counts.tensors);
    for (uint64_t i = 0; i < counts.tensors; ++i) {
        QS_TRY(GgufTensor t, readTensor(in, i + 1, counts.tensors, h.alignment));
        h.tensors.push_back(std::move(t));
    }
    h.dataOffset = (in.offset() + h.alignment - 1) / h.alignment * h.alignment;
    QS_CHECK(checkNames(h, where));
    QS_CHECK(placeTensors(h, file.size(), where));
    return h;
}

} // namespace qs
