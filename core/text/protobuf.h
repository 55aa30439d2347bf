// SPDX-License-Identifier: Apache-2.0
// A reader for the protobuf wire format (protobuf.dev/programming-guides/encoding), as much as
// tokenizer.model needs: fields of one message in file order, every length checked against what is left.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace qs::text {

class ProtoReader {
public:
    enum class Wire { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

    /// `bytes` must outlive the reader and the views it gives. `where` goes into errors.
    ProtoReader(std::string_view bytes, std::string where) : rest_(bytes), where_(std::move(where)) {}

    /// Steps to the next field; false at the end. Groups and unknown wire types are Error::corrupt.
    Result<bool> next();

    uint32_t field() const { return field_; }
    /// The value, with a check that it has the right wire type.
    Result<uint64_t> varint() const;
    Result<int> integer() const; ///< int32 and enums
    Result<bool> boolean() const;
    Result<float> real() const;
    Result<std::string_view> bytes() const;

private:
    Result<uint64_t> readVarint();
    Result<std::string_view> take(uint64_t n);
    Error wrong(const char* message) const;
    Result<void> expect(Wire wire) const;

    std::string_view rest_;
    std::string where_;
    uint32_t field_ = 0;
    Wire wire_ = Wire::Varint;
    uint64_t number_ = 0;
    std::string_view value_;
};

} // namespace qs::text
