// SPDX-License-Identifier: Apache-2.0
#include "core/text/protobuf.h"

#include <fmt/format.h>

#include <bit>

namespace qs::text {

Error ProtoReader::wrong(const char* message) const {
    return Error::corrupt(field_ ? fmt::format("field {}: {}", field_, message) : std::string(message),
                          where_);
}

Result<uint64_t> ProtoReader::readVarint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (rest_.empty()) return wrong("the file ends inside a number");
        const auto b = static_cast<unsigned char>(rest_[0]);
        rest_.remove_prefix(1);
        if (shift == 63 && b > 1) break;
        value |= uint64_t(b & 0x7F) << shift;
        if (b < 0x80) return value;
    }
    return wrong("a number has more than 64 bits");
}

Result<std::string_view> ProtoReader::take(uint64_t n) {
    if (n > rest_.size())
        return Error::corrupt(fmt::format("field {}: {} bytes announced, {} left", field_, n, rest_.size()),
                              where_);
    const std::string_view v = rest_.substr(0, size_t(n));
    rest_.remove_prefix(size_t(n));
    return v;
}

Result<bool> ProtoReader::next() {
    if (rest_.empty()) return false;
    QS_TRY(const uint64_t tag, readVarint());
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return wrong("a field number is out of range");
    field_ = uint32_t(tag >> 3);
    wire_ = Wire(tag & 7);
    number_ = 0;
    value_ = {};
    switch (wire_) {
    case Wire::Varint: {
        QS_TRY(number_, readVarint());
        return true;
    }
    case Wire::Bytes: {
        QS_TRY(const uint64_t n, readVarint());
        QS_TRY(value_, take(n));
        return true;
    }
    case Wire::Fixed32:
    case Wire::Fixed64: {
        const unsigned size = wire_ == Wire::Fixed32 ? 4 : 8;
        QS_TRY(const auto raw, take(size));
        for (unsigned i = 0; i < size; ++i)
            number_ |= uint64_t(static_cast<unsigned char>(raw[i])) << (8 * i);
        return true;
    }
    }
    return wrong("unknown wire type");
}

Result<void> ProtoReader::expect(Wire wire) const {
    if (wire_ != wire) return wrong("has the wrong wire type");
    return {};
}

Result<uint64_t> ProtoReader::varint() const {
    QS_CHECK(expect(Wire::Varint));
    return number_;
}

Result<int> ProtoReader::integer() const {
    QS_TRY(const uint64_t v, varint());
    return int(uint32_t(v)); // negative int32 are sign-extended to 64 bits
}

Result<bool> ProtoReader::boolean() const {
    QS_TRY(const uint64_t v, varint());
    return v != 0;
}

Result<float> ProtoReader::real() const {
    QS_CHECK(expect(Wire::Fixed32));
    return std::bit_cast<float>(uint32_t(number_));
}

Result<std::string_view> ProtoReader::bytes() const {
    QS_CHECK(expect(Wire::Bytes));
    return value_;
}

} // namespace qs::text
