// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/safetensors.h"

#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/name_index.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000; // the reference implementation's limit
constexpr size_t kMaxRank = 16;
constexpr size_t kMaxNameBytes = 1024;

/// In the format, but not in DType.
constexpr std::string_view kUnreadTypes[] = {"F4", "F6_E2M3", "F6_E3M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64"};

class HeaderParser {
public:
    HeaderParser(std::string_view json, uint64_t dataBytes, const std::string& where)
        : scan_(json), json_(json), dataBytes_(dataBytes), where_(where) {}

    Result<SafetensorsHeader> parse() {
        if (!readTop()) return failure();
        QS_CHECK(checkNames());
        QS_CHECK(checkTiling());
        return std::move(out_);
    }

private:
    enum Field { kDType = 1, kShape = 2, kOffsets = 4 };

    bool readTop();
    bool readMetadata();
    bool readTensor(SafetensorsEntry& e);
    bool readField(SafetensorsEntry& e);
    bool readDType(DType& out);
    bool readShape(std::vector<uint64_t>& out);
    bool readOffsets(SafetensorsEntry& e);
    bool checkSize(const SafetensorsEntry& e);
    Result<void> checkNames() const;
    Result<void> checkTiling();
    Error failure() const;
    std::string at(const std::string& tensor, std::string_view field = {}) const {
        return fmt::format("{}: tensor '{}'{}{}", where_, tensor, field.empty() ? "" : ": ", field);
    }

    JsonScanner scan_;
    std::string_view json_;
    uint64_t dataBytes_;
    const std::string& where_;
    SafetensorsHeader out_;
    ErrorCode code_ = ErrorCode::Corrupt;
    // Where the scan is, for errors.
    bool inTensor_ = false;
    const char* field_ = "";
    int seen_ = 0;
};

Error HeaderParser::failure() const {
    Error e = scan_.error(inTensor_ ? at(out_.entries.back().name, field_)
                                    : fmt::format("{}: header{}{}", where_, *field_ ? ": " : "", field_));
    e.code = code_;
    return e;
}

bool HeaderParser::readTop() {
    if (json_.empty() || json_[0] != '{') return scan_.fail("the header must start with '{'");
    if (!scan_.expect('{')) return false;
    bool metadataSeen = false;
    if (!scan_.consume('}')) {
        do {
            std::string_view key;
            inTensor_ = false;
            if (!scan_.readString(key)) return false;
            if (key == "__metadata__") {
                field_ = "__metadata__";
                if (metadataSeen) return scan_.fail("the key is there twice");
                metadataSeen = true;
                if (!scan_.expect(':') || !readMetadata()) return false;
            } else {
                field_ = "tensor name";
                if (key.size() > kMaxNameBytes)
                    return scan_.fail(
                        fmt::format("the name has {} bytes, the limit is {}", key.size(), kMaxNameBytes));
                if (key.find('\0') != key.npos) return scan_.fail("the name holds a NUL character");
                SafetensorsEntry& e = out_.entries.emplace_back();
                e.name = key;
                inTensor_ = true;
                if (!scan_.expect(':') || !readTensor(e)) return false;
            }
            inTensor_ = false;
            field_ = "";
        } while (scan_.more('}'));
    }
    if (scan_.failed()) return false;
    if (json_.find_first_not_of(' ', scan_.offset()) != json_.npos)
        return scan_.fail("only spaces may follow the JSON object");
    return true;
}

bool HeaderParser::readMetadata() {
    if (!scan_.expect('{')) return false;
    if (scan_.consume('}')) return true;
    do {
        std::string_view view;
        if (!scan_.readString(view)) return false;
        std::string key(view);
        if (!scan_.expect(':') || !scan_.readString(view)) return false;
        if (!out_.metadata.emplace(key, view).second)
            return scan_.fail(fmt::format("the key '{}' is there twice", key));
    } while (scan_.more('}'));
    return !scan_.failed();
}

bool HeaderParser::readTensor(SafetensorsEntry& e) {
    field_ = "";
    seen_ = 0;
    if (!scan_.expect('{')) return false;
    if (!scan_.consume('}')) {
        do {
            if (!readField(e)) return false;
            field_ = "";
        } while (scan_.more('}'));
    }
    if (scan_.failed()) return false;
    for (const auto& [bit, name] :
         {std::pair(kDType, "dtype"), {kShape, "shape"}, {kOffsets, "data_offsets"}})
        if (!(seen_ & bit)) return scan_.fail(fmt::format("the field '{}' is missing", name));
    return checkSize(e);
}

bool HeaderParser::readField(SafetensorsEntry& e) {
    std::string_view key;
    if (!scan_.readString(key)) return false;
    Field field = kDType;
    if (key == "dtype") {
        field_ = "dtype";
    } else if (key == "shape") {
        field_ = "shape";
        field = kShape;
    } else if (key == "data_offsets") {
        field_ = "data_offsets";
        field = kOffsets;
    } else {
        return scan_.fail(fmt::format("unknown field '{}'", key.substr(0, 64)));
    }
    if (seen_ & field) return scan_.fail("the field is there twice");
    seen_ |= field;
    if (!scan_.expect(':')) return false;
    return field == kDType ? readDType(e.dtype) : field == kShape ? readShape(e.shape) : readOffsets(e);
}

bool HeaderParser::readDType(DType& out) {
    std::string_view name;
    if (!scan_.readString(name)) return false;
    const Result<DType> type = dtypeFromName(name.substr(0, 64));
    if (!type) {
        const bool inFormat =
            std::find(std::begin(kUnreadTypes), std::end(kUnreadTypes), name) != std::end(kUnreadTypes);
        code_ = inFormat ? ErrorCode::Unsupported : ErrorCode::Corrupt;
        return scan_.fail(type.error().message);
    }
    out = *type;
    return true;
}

bool HeaderParser::readShape(std::vector<uint64_t>& out) {
    if (!scan_.expect('[')) return false;
    if (scan_.consume(']')) return true;
    do {
        uint64_t dim = 0;
        if (out.size() == kMaxRank) return scan_.fail(fmt::format("more than {} dimensions", kMaxRank));
        if (!scan_.readUnsigned(dim)) return false;
        out.push_back(dim);
    } while (scan_.more(']'));
    return !scan_.failed();
}

bool HeaderParser::readOffsets(SafetensorsEntry& e) {
    return scan_.expect('[') && scan_.readUnsigned(e.begin) && scan_.expect(',') &&
           scan_.readUnsigned(e.end) && scan_.expect(']');
}

bool HeaderParser::checkSize(const SafetensorsEntry& e) {
    uint64_t bytes = 1;
    bool overflow = false;
    for (const uint64_t dim : e.shape)
        overflow = overflow || __builtin_mul_overflow(bytes, dim, &bytes);
    overflow = overflow || __builtin_mul_overflow(bytes, uint64_t(dtypeInfo(e.dtype).bits / 8), &bytes);
    if (overflow) {
        field_ = "shape";
        return scan_.fail(fmt::format("the product of [{}] overflows 64 bits", fmt::join(e.shape, ", ")));
    }
    field_ = "data_offsets";
    if (e.begin > e.end) return scan_.fail(fmt::format("begin {} is after end {}", e.begin, e.end));
    if (e.end > dataBytes_)
        return scan_.fail(fmt::format("end {} is past the {} bytes of data that the file holds (truncated?)",
                                      e.end, dataBytes_));
    if (e.end - e.begin != bytes)
        return scan_.fail(fmt::format("[{}, {}] hold {} bytes, but {} [{}] takes {}", e.begin, e.end,
                                      e.end - e.begin, dtypeInfo(e.dtype).name, fmt::join(e.shape, ", "),
                                      bytes));
    return true;
}

Result<void> HeaderParser::checkNames() const {
    std::vector<std::string_view> names;
    names.reserve(out_.entries.size());
    for (const SafetensorsEntry& e : out_.entries)
        names.push_back(e.name);
    const auto [first, second] = NameIndex(std::move(names)).duplicate();
    if (second == NameIndex::npos) return {};
    return Error::corrupt("the name is there twice", at(out_.entries[second].name));
}

Result<void> HeaderParser::checkTiling() {
    std::vector<SafetensorsEntry>& list = out_.entries;
    const auto before = [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    };
    if (!std::is_sorted(list.begin(), list.end(), before)) std::stable_sort(list.begin(), list.end(), before);
    uint64_t reached = 0;
    for (const SafetensorsEntry& e : list) {
        if (e.begin != reached)
            return Error::corrupt(fmt::format("begin {} {} the previous tensor's end {}", e.begin,
                                              e.begin < reached ? "overlaps" : "leaves a gap after", reached),
                                  at(e.name, "data_offsets"));
        reached = e.end;
    }
    if (reached != dataBytes_)
        return Error::corrupt(fmt::format("{} bytes of data follow the last tensor, which ends at {}",
                                          dataBytes_ - reached, reached),
                              where_ + ": data section");
    return {};
}

} // namespace

Result<SafetensorsHeader> parseSafetensorsHeader(std::span<const std::byte> file, const std::string& where) {
    const std::string place = where + ": header length";
    if (file.size() < 8)
        return Error::corrupt(
            fmt::format("a safetensors file has at least 8 bytes, this one has {}", file.size()), place);
    uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof length);
    if (length < 2 || length > kMaxHeaderBytes)
        return Error::corrupt(
            fmt::format("{} is not between 2 and {}: not a safetensors file?", length, kMaxHeaderBytes),
            place);
    if (length > file.size() - 8)
        return Error::corrupt(
            fmt::format("{} bytes do not fit into a file of {} bytes (truncated?)", length, file.size()),
            place);
    const std::string_view json(reinterpret_cast<const char*>(file.data()) + 8, size_t(length));
    if (const size_t bad = findBadUtf8(json); bad != json.npos)
        return Error::corrupt(fmt::format("not UTF-8 at byte {} of the JSON", bad), where + ": header");
    QS_TRY(SafetensorsHeader header, HeaderParser(json, file.size() - 8 - length, where).parse());
    header.dataOffset = 8 + length;
    return header;
}

} // namespace qs
