// SPDX-License-Identifier: Apache-2.0
#include "core/store/quantized_store.h"

#include "core/store/store_schema.h"

#include "core/codec/packing.h"
#include "core/linalg/parallel.h"
#include "core/store/extras_store.h"
#include "core/store/quantized_group.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kSchema = "quantoscope-tensors";
constexpr int64_t kSchemaVersion = 2;
constexpr int64_t kMaxDimension = int64_t(1) << 32;
constexpr const char *kSuperScale = "/super_scale", *kSuperZero = "/super_zero", *kTables = "/tables";

Result<void> checkParameters(const char* name, const Matrix& m, const GroupLayout& layout) {
    if (m.rows() != layout.scaleRows || m.cols() != layout.groups)
        return Error::invalid(fmt::format("{} is [{}, {}], expected [{}, {}]", name, m.rows(), m.cols(),
                                          layout.scaleRows, layout.groups));
    for (size_t i = 0; i < m.size(); ++i)
        if (!std::isfinite(m.data()[i]))
            return Error::invalid(
                fmt::format("{}[{}, {}] is not finite ({})", name, i / m.cols(), i % m.cols(), m.data()[i]));
    return {};
}

/// What the codec itself says about the groups and the codes.
Result<void> checkAgainstCodec(const QuantizedTensor& q) {
    QS_TRY(const auto codec, codecOf(q));
    QS_TRY(const GroupLayout expected, codec->layout(q.rows, q.cols));
    const GroupLayout& l = q.layout;
    if (l.scaleRows != expected.scaleRows || l.groups != expected.groups || l.groupSize != expected.groupSize)
        return Error::invalid(
            fmt::format("scale_rows {}, groups {}, group_size {}; {} cuts [{}, {}] into {}, {}, {}",
                        l.scaleRows, l.groups, l.groupSize, codec->label(), q.rows, q.cols,
                        expected.scaleRows, expected.groups, expected.groupSize));
    const int levels = codec->levels();
    uint8_t largest = 0; // in a loop that the compiler vectorizes
    for (const uint8_t code : q.codes)
        largest = std::max(largest, code);
    if (int(largest) < levels) return codec->checkParameters(q);
    const size_t at = size_t(std::find(q.codes.begin(), q.codes.end(), largest) - q.codes.begin());
    return Error::invalid(fmt::format("codes[{}, {}] is {}, the codes of {} are 0 .. {}", at / q.cols,
                                      at % q.cols, largest, codec->label(), levels - 1));
}

/// The rules that dequantization relies on.
Result<void> checkTensor(const QuantizedTensor& q) {
    const GroupLayout& l = q.layout;
    if (q.rows == 0 || q.cols == 0)
        return Error::invalid(fmt::format("shape [{}, {}] is empty", q.rows, q.cols));
    if (q.cols > std::numeric_limits<size_t>::max() / q.rows || q.codes.size() != q.rows * q.cols)
        return Error::invalid(
            fmt::format("{} codes do not fill shape [{}, {}]", q.codes.size(), q.rows, q.cols));
    const size_t blocks = (q.rows - 1) / std::max<size_t>(1, l.blockRows) + 1;
    if (l.scaleRows != 1 && l.scaleRows != blocks)
        return Error::invalid(fmt::format("scale_rows must be 1 or {}, not {}", blocks, l.scaleRows));
    if (l.groups == 0 || l.groupSize == 0 ||
        (q.groupOfColumn.empty() && (q.cols - 1) / l.groupSize >= l.groups))
        return Error::invalid(
            fmt::format("{} groups of {} do not cover {} columns", l.groups, l.groupSize, q.cols));
    QS_CHECK(checkParameters("scale", q.scale, l));
    QS_CHECK(checkParameters("zero", q.zero, l));
    QS_CHECK(checkExtras(q));
    if (q.groupOfColumn.empty()) return checkAgainstCodec(q);
    if (q.groupOfColumn.size() != q.cols)
        return Error::invalid(
            fmt::format("group_of_column has {} entries for {} columns", q.groupOfColumn.size(), q.cols));
    for (size_t c = 0; c < q.cols; ++c)
        if (q.groupOfColumn[c] < 0 || size_t(q.groupOfColumn[c]) >= l.groups)
            return Error::invalid(fmt::format("group_of_column[{}] is {}, expected 0 .. {}", c,
                                              q.groupOfColumn[c], l.groups - 1));
    return checkAgainstCodec(q);
}

Result<void> writeScale(H5Writer& writer, const std::string& name, const QuantizedTensor& q) {
    QS_TRY(const DType type, storedScaleType(q));
    const H5Shape shape = {q.scale.rows(), q.scale.cols()};
    if (type == DType::F32) return writer.matrix(name, q.scale, H5Filter::Compress);
    QS_TRY(const auto bits, scaleBits(q, type));
    if (type == DType::BF16) {
        QS_CHECK(writer.array<uint16_t>(name, bits, shape, H5Filter::Compress));
        return writer.attribute(name, "qs_dtype", "bf16");
    }
    std::vector<HalfBits> half(bits.size());
    std::transform(bits.begin(), bits.end(), half.begin(), [](uint16_t b) { return HalfBits{b}; });
    return writer.array<HalfBits>(name, half, shape, H5Filter::Compress);
}

Result<void> writeZero(H5Writer& writer, const std::string& name, const Matrix& zero) {
    const auto isByte = [](float z) { return z >= 0 && z <= 255 && z == std::floor(z); };
    if (!std::all_of(zero.span().begin(), zero.span().end(), isByte))
        return writer.matrix(name, zero, H5Filter::Compress);
    std::vector<uint8_t> bytes(zero.size());
    std::transform(zero.span().begin(), zero.span().end(), bytes.begin(), [](float z) { return uint8_t(z); });
    return writer.array<uint8_t>(name, bytes, {zero.rows(), zero.cols()}, H5Filter::Compress);
}

constexpr size_t kPackGrain = 16; ///< rows of codes that a thread packs at once

/// Of codecs with at most 128 codes; 8 where codes are stored as they are.
Result<int> packedBits(const QuantizedTensor& q) {
    QS_TRY(const auto codec, codecOf(q));
    return std::max(1, int(std::bit_width(unsigned(codec->levels() - 1))));
}

Result<void> writeCodes(H5Writer& writer, const std::string& group, const QuantizedTensor& q) {
    QS_TRY(const int bits, packedBits(q));
    if (bits == 8)
        return writer.array<uint8_t>(group + "/codes", q.codes, {q.rows, q.cols}, H5Filter::Checksum);
    const size_t words = packedWords(q.cols, bits);
    std::vector<uint32_t> packed(q.rows * words);
    // checkTensor has seen every code: packing cannot fail.
    linalg::parallelFor(q.rows, kPackGrain, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r)
            (void)packFields(std::span(q.codes).subspan(r * q.cols, q.cols), bits,
                             std::span(packed).subspan(r * words, words));
    });
    const std::span bytes(reinterpret_cast<const uint8_t*>(packed.data()), packed.size() * 4);
    return writer.array<uint8_t>(group + "/packed_codes", bytes, {q.rows, words * 4}, H5Filter::Checksum);
}

Result<void> readCodes(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    if (!file.exists(group + "/packed_codes")) {
        QS_TRY(q.codes, file.array<uint8_t>(group + "/codes", {q.rows, q.cols}));
        return {};
    }
    QS_TRY(const int bits, packedBits(q));
    const size_t words = packedWords(q.cols, bits);
    QS_TRY(const auto bytes, file.array<uint8_t>(group + "/packed_codes", {q.rows, words * 4}));
    q.codes.resize(q.rows * q.cols);
    linalg::parallelFor(q.rows, kPackGrain, [&](size_t begin, size_t end) {
        std::vector<uint32_t> row(words);
        for (size_t r = begin; r < end; ++r) {
            std::memcpy(row.data(), bytes.data() + r * words * 4, words * 4);
            (void)unpackFields(row, bits, std::span(q.codes).subspan(r * q.cols, q.cols));
        }
    });
    return {};
}

Result<void> writeOne(H5Writer& writer, const std::string& module, const QuantizedTensor& q) {
    QS_CHECK(checkTensor(q));
    const std::string group = "/" + h5EscapeName(module);
    QS_CHECK(writer.group(group));
    QS_CHECK(writer.attributes(group, quantizedAttributes(module, q)));
    QS_CHECK(writeCodes(writer, group, q));
    QS_CHECK(writeScale(writer, group + "/scale", q));
    QS_CHECK(writeZero(writer, group + "/zero", q.zero));
    for (const auto& [name, m] : {std::pair(kSuperScale, &q.superScale), std::pair(kSuperZero, &q.superZero),
                                  std::pair(kTables, &q.tables)})
        if (!m->empty()) QS_CHECK(writer.matrix(group + name, *m, H5Filter::Compress));
    QS_CHECK(writeExtras(writer, group, q));
    if (q.groupOfColumn.empty()) return {};
    return writer.array<int32_t>(group + "/group_of_column", q.groupOfColumn, {q.cols}, H5Filter::Compress);
}

/// Parameters from JSON alone: their types are the JSON values' own. The codec checks names and ranges.
Result<Params> paramsFromText(const std::string& text, const std::string& where) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return Error::corrupt("codec_params is not a JSON object", where);
    ParamSpecs specs;
    for (const auto& [key, value] : object.items()) {
        using Int = std::numeric_limits<long long>;
        using Real = std::numeric_limits<double>;
        if (value.is_boolean())
            specs.push_back(ParamSpec::boolean(key, key, false, {}));
        else if (value.is_number_integer())
            specs.push_back(ParamSpec::integer(key, key, 0, Int::min(), Int::max(), {}));
        else if (value.is_number_float())
            specs.push_back(ParamSpec::real(key, key, 0, Real::lowest(), Real::max(), {}));
        else if (value.is_string())
            specs.push_back(ParamSpec::choice(key, key, value, {value.get<std::string>()}, {}));
        else
            return Error::corrupt(fmt::format("codec_params: '{}' is not a single value", key), where);
    }
    return Params::fromJson(specs, object, where);
}

Result<void> readScale(const H5Reader& file, const std::string& name, QuantizedTensor& q) {
    const auto declared = storedScaleType(q);
    if (!declared) return Error::corrupt(declared.error().message, file.path().string() + ": " + name);
    const DType type = *declared;
    const size_t rows = q.layout.scaleRows, cols = q.layout.groups;
    if (type == DType::F32) {
        QS_TRY(q.scale, file.matrix<float>(name, rows, cols));
        return {};
    }
    if (type == DType::BF16) {
        QS_TRY(const std::string mark, file.stringAttribute(name, "qs_dtype"));
        if (mark != "bf16")
            return Error::corrupt(fmt::format("qs_dtype is '{}', expected 'bf16'", mark),
                                  file.path().string() + ": " + name);
        QS_TRY(const auto bits, file.array<uint16_t>(name, {rows, cols}));
        q.scale = Matrix(rows, cols);
        std::transform(bits.begin(), bits.end(), q.scale.data(), bfloatToFloat);
        return {};
    }
    QS_TRY(const auto bits, file.array<HalfBits>(name, {rows, cols}));
    q.scale = Matrix(rows, cols);
    std::transform(bits.begin(), bits.end(), q.scale.data(), [](HalfBits b) { return halfToFloat(b.bits); });
    return {};
}

Result<void> readZero(const H5Reader& file, const std::string& name, QuantizedTensor& q) {
    const size_t rows = q.layout.scaleRows, cols = q.layout.groups;
    QS_TRY(const H5Type type, file.type(name));
    if (type != H5Type::U8) {
        QS_TRY(q.zero, file.matrix<float>(name, rows, cols));
        return {};
    }
    QS_TRY(const auto bytes, file.array<uint8_t>(name, {rows, cols}));
    q.zero = Matrix(rows, cols);
    std::copy(bytes.begin(), bytes.end(), q.zero.data());
    return {};
}

/// The values of super-blocks and tables, where there are any; which there must be, the codec says later.
/// Their shapes follow from those of the parameters read so far.
Result<void> readSharedValues(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    if (!file.exists(group + kSuperScale) && !file.exists(group + kSuperZero) &&
        !file.exists(group + kTables))
        return {};
    const auto codec = codecOf(q);
    if (!codec) return {}; // said by the codec's check
    QuantizedTensor shapes;
    shapes.rows = q.rows;
    shapes.cols = q.cols;
    shapes.layout = q.layout;
    (*codec)->allocateParameters(shapes);
    for (const auto& [name, to, like] : {std::tuple(kSuperScale, &q.superScale, &shapes.superScale),
                                         std::tuple(kSuperZero, &q.superZero, &shapes.superZero),
                                         std::tuple(kTables, &q.tables, &shapes.tables)}) {
        if (!file.exists(group + name)) continue;
        if (like->empty())
            return Error::corrupt(fmt::format("{} has no {}", (*codec)->label(), std::string(name).substr(1)),
                                  file.path().string() + ": " + group);
        QS_TRY(*to, file.matrix<float>(group + name, like->rows(), like->cols()));
    }
    return {};
}

Result<QuantizedTensor> readOne(const H5Reader& file, const std::string& group) {
    QuantizedTensor q;
    const auto number = [&](const char* key) { return file.intAttribute(group, key, 1, kMaxDimension); };
    QS_TRY(q.rows, number("rows"));
    QS_TRY(q.cols, number("cols"));
    QS_TRY(q.layout.groupSize, number("group_size"));
    QS_TRY(q.layout.groups, number("groups"));
    QS_TRY(q.layout.scaleRows, number("scale_rows"));
    QS_TRY(q.codec, file.stringAttribute(group, "codec"));
    QS_TRY(const std::string params, file.stringAttribute(group, "codec_params"));
    QS_TRY(q.codecParams, paramsFromText(params, file.path().string() + ": " + group));
    // Follows from the codec; what the file says of the rest is checked against it at the end.
    if (const auto codec = codecOf(q))
        if (const auto layout = (*codec)->layout(q.rows, q.cols)) q.layout.blockRows = layout->blockRows;
    if (auto codes = readCodes(file, group, q); !codes) {
        // A codec that is not known is a newer program's, not damage.
        Error e = codes.takeError();
        if (e.code == ErrorCode::NotFound) e.code = ErrorCode::Unsupported;
        return e.where.empty() ? std::move(e).at(file.path().string() + ": " + group) : e;
    }
    QS_CHECK(readScale(file, group + "/scale", q));
    QS_CHECK(readZero(file, group + "/zero", q));
    QS_CHECK(readSharedValues(file, group, q));
    QS_CHECK(readExtras(file, group, q));
    if (file.exists(group + "/group_of_column")) {
        QS_TRY(q.groupOfColumn, file.array<int32_t>(group + "/group_of_column", {q.cols}));
    }
    if (auto rules = checkTensor(q); !rules) {
        // A codec that is not known is a newer program's, not damage.
        const ErrorCode code =
            rules.error().code == ErrorCode::NotFound ? ErrorCode::Unsupported : ErrorCode::Corrupt;
        return Error{code, rules.error().message, file.path().string() + ": " + group};
    }
    return q;
}

} // namespace

Result<void> writeQuantizedTensors(const fs::path& path,
                                   const std::vector<std::pair<std::string, const QuantizedTensor*>>& tensors,
                                   const StoreAttributes& attributes) {
    QS_TRY(auto writer, H5Writer::begin(path));
    QS_CHECK(writer->attribute("/", "schema", kSchema));
    QS_CHECK(writer->attribute("/", "schema_version", kSchemaVersion));
    for (const auto& [key, value] : attributes)
        QS_CHECK(writer->attribute("/", key, value));
    for (const auto& [module, tensor] : tensors) {
        if (module.empty()) return Error::invalid("a module needs a name", path.string());
        if (auto written = writeOne(*writer, module, *tensor); !written) {
            Error e = written.takeError();
            return e.where.empty() ? std::move(e).at(path.string() + ": " + module) : e;
        }
    }
    return writer->commit();
}

Result<QuantizedTensor> readQuantizedTensor(const fs::path& path, const std::string& module) {
    QS_TRY(const auto file, H5Reader::open(path));
    QS_CHECK(requireSchema(*file, kSchema, kSchemaVersion));
    const std::string group = "/" + h5EscapeName(module);
    if (module.empty() || !file->exists(group))
        return Error::notFound(fmt::format("no module '{}' in the file", module), path.string());
    return readOne(*file, group);
}

} // namespace qs
