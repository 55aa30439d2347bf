// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_metadata.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <optional>

namespace qs {

namespace {

struct TypeInfo {
    std::string_view name;
    size_t size;
};
constexpr TypeInfo kTypes[] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2},    {"u32", 4},
                               {"i32", 4}, {"f32", 4}, {"bool", 1}, {"string", 0}, {"array", 0},
                               {"u64", 8}, {"i64", 8}, {"f64", 8}};

template<class T>
T load(const std::byte* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

/// An integer of any width: its magnitude as stored, with the sign apart, so that u64 fits too.
struct Integer {
    bool negative = false;
    uint64_t bits = 0; ///< two's complement

    bool fitsUnsigned(uint64_t most) const { return !negative && bits <= most; }
    double asDouble() const { return negative ? double(int64_t(bits)) : double(bits); }
};

std::optional<Integer> integerAt(GgufType type, const std::byte* p) {
    const auto of = [](auto v) { return Integer{v < 0, uint64_t(int64_t(v))}; };
    switch (type) {
    case GgufType::U8:
        return Integer{false, load<uint8_t>(p)};
    case GgufType::I8:
        return of(load<int8_t>(p));
    case GgufType::U16:
        return Integer{false, load<uint16_t>(p)};
    case GgufType::I16:
        return of(load<int16_t>(p));
    case GgufType::U32:
        return Integer{false, load<uint32_t>(p)};
    case GgufType::I32:
        return of(load<int32_t>(p));
    case GgufType::U64:
        return Integer{false, load<uint64_t>(p)};
    case GgufType::I64:
        return of(load<int64_t>(p));
    default:
        return std::nullopt;
    }
}

/// The shortest decimal that rounds to the float32: the writer meant 1e-05, not 9.99999975e-06.
double asWritten(float value) {
    return std::isfinite(value) ? std::stod(fmt::format("{}", value)) : double(value);
}

std::optional<double> numberAt(GgufType type, const std::byte* p) {
    if (type == GgufType::F32) return asWritten(load<float>(p));
    if (type == GgufType::F64) return load<double>(p);
    const auto i = integerAt(type, p);
    return i ? std::optional(i->asDouble()) : std::nullopt;
}

std::string_view asText(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string_view> keysOf(const std::vector<GgufMetadata::Entry>& entries) {
    std::vector<std::string_view> keys;
    keys.reserve(entries.size());
    for (const auto& e : entries)
        keys.push_back(e.key);
    return keys;
}

} // namespace

std::string_view ggufTypeName(GgufType type) {
    return kTypes[size_t(type)].name;
}

size_t ggufTypeSize(GgufType type) {
    return kTypes[size_t(type)].size;
}

GgufMetadata::GgufMetadata(std::vector<Entry> entries, std::string where)
    : entries_(std::move(entries)), byKey_(keysOf(entries_)), where_(std::move(where)) {}

const GgufValue* GgufMetadata::find(std::string_view key) const {
    const size_t i = byKey_.find(key);
    return i == NameIndex::npos ? nullptr : &entries_[i].value;
}

std::string GgufMetadata::place(std::string_view key) const {
    return fmt::format("{}: metadata '{}'", where_, key);
}

Error GgufMetadata::wrong(std::string_view key, const GgufValue& value, std::string_view rule) const {
    std::string found(ggufTypeName(value.type));
    if (value.type == GgufType::Array)
        found = fmt::format("an array of {} {}", value.count, ggufTypeName(value.element));
    else if (const auto n = numberAt(value.type, value.bytes.data()))
        found = fmt::format("{} {}", found, *n);
    return Error::corrupt(fmt::format("must be {}, found {}", rule, found), place(key));
}

Result<const GgufValue*> GgufMetadata::get(std::string_view key) const {
    if (const GgufValue* v = find(key)) return v;
    return Error::notFound("the key is missing", place(key));
}

Result<uint64_t> GgufMetadata::size(std::string_view key, uint64_t most) const {
    QS_TRY(const GgufValue* v, get(key));
    const auto i = integerAt(v->type, v->bytes.data());
    if (!i || !i->fitsUnsigned(most)) return wrong(key, *v, fmt::format("an integer from 0 to {}", most));
    return i->bits;
}

Result<uint64_t> GgufMetadata::sizeOr(std::string_view key, uint64_t most, uint64_t fallback) const {
    if (!has(key)) return fallback;
    return size(key, most);
}

Result<double> GgufMetadata::number(std::string_view key) const {
    QS_TRY(const GgufValue* v, get(key));
    const auto n = numberAt(v->type, v->bytes.data());
    if (!n || !std::isfinite(*n)) return wrong(key, *v, "a finite number");
    return *n;
}

Result<double> GgufMetadata::numberOr(std::string_view key, double fallback) const {
    if (!has(key)) return fallback;
    return number(key);
}

Result<bool> GgufMetadata::booleanOr(std::string_view key, bool fallback) const {
    const GgufValue* v = find(key);
    if (!v) return fallback;
    if (v->type != GgufType::Bool) return wrong(key, *v, "true or false");
    return v->bytes[0] != std::byte{0};
}

Result<std::string_view> GgufMetadata::text(std::string_view key) const {
    QS_TRY(const GgufValue* v, get(key));
    if (v->type != GgufType::String) return wrong(key, *v, "a string");
    return asText(v->bytes);
}

Result<std::string_view> GgufMetadata::textOr(std::string_view key, std::string_view fallback) const {
    if (!has(key)) return fallback;
    return text(key);
}

Result<const GgufValue*> GgufMetadata::array(std::string_view key) const {
    static const GgufValue none{GgufType::Array, GgufType::String, 0, {}};
    const GgufValue* v = find(key);
    if (!v) return &none;
    if (v->type != GgufType::Array) return wrong(key, *v, "an array");
    return v;
}

Result<std::vector<std::string>> GgufMetadata::texts(std::string_view key) const {
    QS_TRY(const GgufValue* v, array(key));
    if (v->element != GgufType::String) return wrong(key, *v, "an array of strings");
    std::vector<std::string> out;
    out.reserve(v->count);
    const std::byte* p = v->bytes.data();
    for (uint64_t i = 0; i < v->count; ++i) {
        const uint64_t length = load<uint64_t>(p);
        p += sizeof length;
        out.emplace_back(reinterpret_cast<const char*>(p), length);
        p += length;
    }
    return out;
}

Result<std::vector<float>> GgufMetadata::floats(std::string_view key) const {
    QS_TRY(const GgufValue* v, array(key));
    if (v->count == 0) return std::vector<float>();
    if (v->element != GgufType::F32) return wrong(key, *v, "an array of f32");
    std::vector<float> out(v->count);
    std::memcpy(out.data(), v->bytes.data(), v->bytes.size());
    return out;
}

Result<std::vector<int32_t>> GgufMetadata::integers(std::string_view key) const {
    QS_TRY(const GgufValue* v, array(key));
    if (v->count == 0) return std::vector<int32_t>();
    const size_t step = ggufTypeSize(v->element);
    std::vector<int32_t> out;
    out.reserve(v->count);
    for (uint64_t i = 0; i < v->count; ++i) {
        const auto n = step ? integerAt(v->element, v->bytes.data() + i * step) : std::nullopt;
        const int64_t value = n ? int64_t(n->bits) : 0;
        const bool fits = n && (n->negative ? value >= std::numeric_limits<int32_t>::min()
                                            : n->bits <= uint64_t(std::numeric_limits<int32_t>::max()));
        if (!fits) return wrong(key, *v, "an array of integers that fit in 32 bits");
        out.push_back(int32_t(value));
    }
    return out;
}

Result<std::vector<std::byte>> GgufMetadata::octets(std::string_view key) const {
    QS_TRY(const GgufValue* v, array(key));
    if (v->count == 0) return std::vector<std::byte>();
    if (v->element != GgufType::U8 && v->element != GgufType::I8) return wrong(key, *v, "an array of bytes");
    return std::vector<std::byte>(v->bytes.begin(), v->bytes.end());
}

} // namespace qs
