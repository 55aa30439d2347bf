// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_writer.h"

#include "core/base/file.h"
#include "core/checkpoint/json_scanner.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxKey = 65535, kMaxName = 63; // ggml keeps 64 bytes with the final zero
constexpr size_t kMaxDims = 4;
constexpr uint64_t kAlignment = 32; // the format's own when general.alignment is absent

uint64_t padded(uint64_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
}

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

/// The machine is little-endian, as the format is.
template<class T>
void append(std::vector<std::byte>& out, T value) {
    append(out, std::as_bytes(std::span(&value, 1)));
}

void append(std::vector<std::byte>& out, std::string_view text) {
    append(out, uint64_t(text.size()));
    append(out, std::as_bytes(std::span(text)));
}

template<class T>
std::vector<std::byte> scalar(T value) {
    std::vector<std::byte> out;
    append(out, value);
    return out;
}

template<class T>
std::vector<std::byte> numbers(GgufType element, std::span<const T> values) {
    std::vector<std::byte> out;
    append(out, uint32_t(element));
    append(out, uint64_t(values.size()));
    append(out, std::as_bytes(values));
    return out;
}

std::vector<std::byte> header(const GgufPart& part, const std::vector<GgufItem>& items) {
    std::vector<std::byte> out;
    append(out, std::as_bytes(std::span("GGUF", 4)));
    append(out, uint32_t(3));
    append(out, uint64_t(part.items.size()));
    append(out, uint64_t(part.fields.list().size()));
    for (const GgufFields::Field& f : part.fields.list()) {
        append(out, std::string_view(f.key));
        append(out, uint32_t(f.type));
        append(out, std::span<const std::byte>(f.value));
    }
    uint64_t offset = 0;
    for (const size_t i : part.items) {
        const GgufItem& item = items[i];
        append(out, std::string_view(item.name));
        append(out, uint32_t(item.shape.size()));
        for (auto d = item.shape.rbegin(); d != item.shape.rend(); ++d)
            append(out, *d);
        append(out, item.type->id);
        append(out, offset);
        offset += padded(item.bytes());
    }
    out.resize(size_t(padded(out.size())));
    return out;
}

Result<void> checkName(std::string_view name, size_t most, const char* what, const std::string& where) {
    if (!name.empty() && name.size() <= most && findBadUtf8(name) == std::string::npos) return {};
    return Error::invalid(
        fmt::format("a {} must be 1 to {} bytes of UTF-8, this one has {}", what, most, name.size()), where);
}

Result<void> checkUnique(std::vector<std::string_view> names, const char* what, const std::string& where) {
    const NameIndex index(names);
    const size_t i = index.duplicate().first;
    if (i == NameIndex::npos) return {};
    return Error::invalid(fmt::format("the {} is given twice", what),
                          fmt::format("{}: '{}'", where, names[i]));
}

Result<void> checkItem(const GgufItem& item, const std::string& where) {
    QS_CHECK(checkName(item.name, kMaxName, "tensor's name", where));
    const std::string place = fmt::format("{}: tensor '{}'", where, item.name);
    if (!item.type || !item.fill) return Error::internal("a tensor needs a type and a source", place);
    if (item.shape.empty() || item.shape.size() > kMaxDims)
        return Error::invalid(
            fmt::format("the format holds 1 to {} dimensions, not {}", kMaxDims, item.shape.size()), place);
    if (item.shape.back() % item.type->elements != 0)
        return Error::invalid(fmt::format("rows of {} values are not whole blocks of {} of {}",
                                          item.shape.back(), item.type->elements, item.type->name),
                              place);
    return {};
}

Result<void> checkAll(const GgufPart& part, const std::vector<GgufItem>& items, const std::string& where) {
    std::vector<std::string_view> keys, names;
    for (const GgufFields::Field& f : part.fields.list()) {
        QS_CHECK(checkName(f.key, kMaxKey, "key", where));
        keys.push_back(f.key);
    }
    for (const size_t i : part.items) {
        QS_CHECK(checkItem(items[i], where));
        names.push_back(items[i].name);
    }
    QS_CHECK(checkUnique(std::move(keys), "key", where));
    return checkUnique(std::move(names), "tensor's name", where);
}

Result<void> put(std::ofstream& out, std::span<const std::byte> bytes, const std::string& where) {
    errno = 0;
    out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
    if (out) return {};
    return Error::io(fmt::format("cannot write: {}", std::strerror(errno ? errno : EIO)), where);
}

Result<void> writeTensors(std::ofstream& out, const GgufPart& part, const std::vector<GgufItem>& items,
                          const JobContext& job, const std::string& where) {
    double total = 0, done = 0;
    for (const size_t i : part.items)
        total += double(items[i].bytes());
    std::vector<std::byte> buffer;
    for (const size_t i : part.items) {
        QS_CHECK(job.checkpoint());
        const GgufItem& item = items[i];
        const std::string place = fmt::format("{}: tensor '{}'", where, item.name);
        const size_t bytes = size_t(item.bytes());
        try {
            buffer.assign(size_t(padded(bytes)), std::byte(0));
        } catch (const std::bad_alloc&) {
            return Error{ErrorCode::OutOfMemory, fmt::format("cannot hold {} bytes", bytes), place};
        }
        if (auto filled = item.fill(std::span(buffer).first(bytes)); !filled)
            return filled.takeError().at(place);
        QS_CHECK(put(out, buffer, place));
        done += double(bytes);
        job.report("Write " + part.name, done, total);
    }
    return {};
}

} // namespace

void GgufFields::set(const std::string& key, GgufType type, std::vector<std::byte> value) {
    for (Field& f : fields_)
        if (f.key == key) {
            f = {key, type, std::move(value)};
            return;
        }
    fields_.push_back({key, type, std::move(value)});
}

void GgufFields::u16(const std::string& key, uint16_t value) {
    set(key, GgufType::U16, scalar(value));
}
void GgufFields::u32(const std::string& key, uint32_t value) {
    set(key, GgufType::U32, scalar(value));
}
void GgufFields::i32(const std::string& key, int32_t value) {
    set(key, GgufType::I32, scalar(value));
}
void GgufFields::u64(const std::string& key, uint64_t value) {
    set(key, GgufType::U64, scalar(value));
}
void GgufFields::f32(const std::string& key, float value) {
    set(key, GgufType::F32, scalar(value));
}
void GgufFields::f64(const std::string& key, double value) {
    set(key, GgufType::F64, scalar(value));
}
void GgufFields::boolean(const std::string& key, bool value) {
    set(key, GgufType::Bool, scalar(uint8_t(value)));
}
void GgufFields::text(const std::string& key, std::string_view value) {
    std::vector<std::byte> out;
    append(out, value);
    set(key, GgufType::String, std::move(out));
}
void GgufFields::texts(const std::string& key, const std::vector<std::string>& values) {
    std::vector<std::byte> out;
    append(out, uint32_t(GgufType::String));
    append(out, uint64_t(values.size()));
    for (const std::string& v : values)
        append(out, std::string_view(v));
    set(key, GgufType::Array, std::move(out));
}
void GgufFields::floats(const std::string& key, std::span<const float> values) {
    set(key, GgufType::Array, numbers(GgufType::F32, values));
}
void GgufFields::integers(const std::string& key, std::span<const int32_t> values) {
    set(key, GgufType::Array, numbers(GgufType::I32, values));
}
void GgufFields::octets(const std::string& key, std::span<const std::byte> values) {
    set(key, GgufType::Array, numbers(GgufType::U8, values));
}
void GgufFields::copy(const std::string& key, const GgufValue& value) {
    std::vector<std::byte> out;
    if (value.type == GgufType::Array) {
        append(out, uint32_t(value.element));
        append(out, value.count);
    } else if (value.type == GgufType::String) {
        append(out, uint64_t(value.bytes.size()));
    }
    append(out, value.bytes);
    set(key, value.type, std::move(out));
}

const GgufFields::Field* GgufFields::find(std::string_view key) const {
    for (const Field& f : fields_)
        if (f.key == key) return &f;
    return nullptr;
}

uint64_t GgufItem::elements() const {
    uint64_t n = 1;
    for (const uint64_t d : shape)
        n *= d;
    return n;
}

uint64_t GgufItem::bytes() const {
    return elements() / type->elements * type->bytes;
}

std::vector<GgufPart> ggufParts(const std::string& stem, const GgufFields& fields,
                                const std::vector<GgufItem>& items, uint64_t splitBytes) {
    std::vector<GgufPart> parts(1);
    uint64_t size = 0;
    for (size_t i = 0; i < items.size(); ++i) {
        const uint64_t bytes = padded(items[i].bytes());
        if (splitBytes != 0 && !parts.back().items.empty() && size + bytes > splitBytes) {
            parts.emplace_back();
            size = 0;
        }
        parts.back().items.push_back(i);
        size += bytes;
    }
    parts.front().fields = fields;
    if (parts.size() == 1) {
        parts.front().name = stem + ".gguf";
        return parts;
    }
    for (size_t i = 0; i < parts.size(); ++i) {
        parts[i].name = fmt::format("{}-{:05}-of-{:05}.gguf", stem, i + 1, parts.size());
        parts[i].fields.u16("split.no", uint16_t(i));
        parts[i].fields.u16("split.count", uint16_t(parts.size()));
        parts[i].fields.i32("split.tensors.count", int32_t(items.size()));
    }
    return parts;
}

uint64_t ggufFileSize(const GgufPart& part, const std::vector<GgufItem>& items) {
    uint64_t size = header(part, items).size();
    for (const size_t i : part.items)
        size += padded(items[i].bytes());
    return size;
}

Result<void> writeGguf(const fs::path& path, const GgufPart& part, const std::vector<GgufItem>& items,
                       const JobContext& job) {
    const std::string where = path.string();
    QS_CHECK(checkAll(part, items, where));
    const std::vector<std::byte> head = header(part, items);
    return commitByRename(path, [&](const fs::path& temporary) -> Result<void> {
        errno = 0;
        std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
        if (!out)
            return Error::io(fmt::format("cannot create: {}", std::strerror(errno)), temporary.string());
        QS_CHECK(put(out, head, where));
        QS_CHECK(writeTensors(out, part, items, job, where));
        errno = 0;
        out.close();
        if (!out)
            return Error::io(fmt::format("cannot write: {}", std::strerror(errno ? errno : EIO)), where);
        return {};
    });
}

} // namespace qs
