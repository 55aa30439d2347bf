// SPDX-License-Identifier: Apache-2.0
#include "core/hdf5/h5_foreign_types.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <optional>

namespace qs {

namespace {

/// Deflate's best ratio is 1032 : 1.
constexpr uint64_t kMaxRatio = 1032;
/// Long lists are cut into attributes with a number behind the name.
constexpr const char* kListAttributes[] = {"layer_names", "weight_names"};
constexpr const char* kTextAttributes[] = {"dtype",  "schema", "name",   "module", "qs_dtype", "shape",
                                           "format", "values", "levels", "stored", "extras"};
constexpr const char* kNumberAttributes[] = {"schema_version", "block_rows"};
constexpr size_t kMaxTextBytes = size_t(4) << 20;

std::optional<DType> integerType(hid_t type) {
    const bool isSigned = H5Tget_sign(type) == H5T_SGN_2;
    switch (H5Tget_size(type)) {
    case 1:
        return isSigned ? DType::I8 : DType::U8;
    case 2:
        return isSigned ? DType::I16 : DType::U16;
    case 4:
        return isSigned ? DType::I32 : DType::U32;
    case 8:
        return isSigned ? DType::I64 : DType::U64;
    default:
        return std::nullopt;
    }
}

std::optional<DType> floatType(hid_t type) {
    size_t sign = 0, exponent = 0, exponentBits = 0, mantissa = 0, mantissaBits = 0;
    if (H5Tget_fields(type, &sign, &exponent, &exponentBits, &mantissa, &mantissaBits) < 0)
        return std::nullopt;
    switch (H5Tget_size(type)) {
    case 8:
        return exponentBits == 11 && mantissaBits == 52 ? std::optional(DType::F64) : std::nullopt;
    case 4:
        return exponentBits == 8 && mantissaBits == 23 ? std::optional(DType::F32) : std::nullopt;
    case 2:
        if (exponentBits == 5 && mantissaBits == 10) return DType::F16;
        return exponentBits == 8 && mantissaBits == 7 ? std::optional(DType::BF16) : std::nullopt;
    default:
        return std::nullopt;
    }
}

/// nullopt: not numbers.
std::optional<DType> elementType(hid_t type) {
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        return integerType(type);
    case H5T_FLOAT:
        return floatType(type);
    case H5T_ENUM: // h5py's bool
        return H5Tget_size(type) == 1 ? std::optional(DType::Bool) : std::nullopt;
    case H5T_OPAQUE: // Keras stores bfloat16 as two bytes of no type
        return H5Tget_size(type) == 2 ? std::optional(DType::U16) : std::nullopt;
    default:
        return std::nullopt;
    }
}

const char* className(hid_t type) {
    switch (H5Tget_class(type)) {
    case H5T_STRING:
        return "strings";
    case H5T_COMPOUND:
        return "compounds";
    case H5T_REFERENCE:
        return "references";
    case H5T_VLEN:
        return "lists of varying length";
    case H5T_ARRAY:
        return "arrays";
    default:
        return "numbers of an unknown layout";
    }
}

Error refusal(std::string reason) {
    return Error::unsupported(std::move(reason));
}

Result<void> checkFilters(hid_t properties) {
    const int filters = H5Pget_nfilters(properties);
    for (int i = 0; i < filters; ++i) {
        unsigned flags = 0;
        size_t values = 0;
        const H5Z_filter_t id =
            H5Pget_filter2(properties, unsigned(i), &flags, &values, nullptr, 0, nullptr, nullptr);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32)
            return refusal(
                fmt::format("filter {} is not read; shuffle, deflate and Fletcher-32 are", int(id)));
    }
    return {};
}

Result<void> checkStorage(hid_t dataset, size_t element) {
    const H5Handle properties(H5Dget_create_plist(dataset), H5Pclose);
    if (!properties) return refusal("its layout cannot be read: " + h5LastFailure());
    const H5D_layout_t layout = H5Pget_layout(properties.get());
    if (layout == H5D_VIRTUAL) return refusal("a virtual array: its values are in other files");
    if (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED && layout != H5D_COMPACT)
        return refusal("an unknown layout");
    if (H5Pget_external_count(properties.get()) != 0) return refusal("its values are in another file");
    QS_CHECK(checkFilters(properties.get()));
    if (layout != H5D_CHUNKED) return {};
    hsize_t chunk[H5S_MAX_RANK];
    const int rank = H5Pget_chunk(properties.get(), H5S_MAX_RANK, chunk);
    uint64_t bytes = element;
    for (int i = 0; i < rank; ++i) {
        if (chunk[i] == 0 || bytes > kH5ForeignMaxChunk / chunk[i])
            return refusal(fmt::format("a chunk exceeds {} bytes", kH5ForeignMaxChunk));
        bytes *= chunk[i];
    }
    return {};
}

Result<void> readShape(hid_t dataset, H5Node& n) {
    const H5Handle space(H5Dget_space(dataset), H5Sclose);
    if (!space) return refusal("its shape cannot be read: " + h5LastFailure());
    const H5S_class_t kind = H5Sget_simple_extent_type(space.get());
    if (kind != H5S_SCALAR && kind != H5S_SIMPLE) return refusal("an array without a shape");
    const int rank = H5Sget_simple_extent_ndims(space.get());
    if (rank < 0 || size_t(rank) > kH5ImportMaxRank)
        return refusal(fmt::format("{} dimensions, the limit is {}", rank, kH5ImportMaxRank));
    hsize_t dims[H5S_MAX_RANK] = {};
    H5Sget_simple_extent_dims(space.get(), dims, nullptr);
    n.shape.assign(dims, dims + rank);
    if (!h5ImportShapeFits(n.shape))
        return refusal(fmt::format("more than {} elements", kH5ImportMaxElements));
    return {};
}

/// Appends the texts of attribute `name`; false when it is not there or not a list of texts.
bool readTexts(const H5Handle& object, const std::string& name, std::vector<std::string>& out) {
    if (H5Aexists(object.get(), name.c_str()) <= 0) return false;
    const H5Handle a(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
    const H5Handle type(a ? H5Aget_type(a.get()) : -1, H5Tclose),
        space(a ? H5Aget_space(a.get()) : -1, H5Sclose);
    if (!type || !space || H5Tget_class(type.get()) != H5T_STRING) return false;
    const hssize_t points = H5Sget_simple_extent_npoints(space.get());
    if (points <= 0 || out.size() + size_t(points) > kH5ImportMaxTexts) return false;
    const size_t size = H5Tget_size(type.get());
    if (H5Tis_variable_str(type.get()) > 0) {
        std::vector<char*> texts(size_t(points), nullptr);
        if (H5Aread(a.get(), type.get(), texts.data()) < 0) return false;
        for (const char* t : texts)
            out.emplace_back(t ? std::string(t, ::strnlen(t, kH5ImportMaxText)) : std::string());
        H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, texts.data());
        return true;
    }
    if (size == 0 || size > kH5ImportMaxText || size > kMaxTextBytes / size_t(points)) return false;
    std::vector<char> raw(size * size_t(points));
    if (H5Aread(a.get(), type.get(), raw.data()) < 0) return false;
    for (size_t i = 0; i < size_t(points); ++i)
        out.emplace_back(raw.data() + i * size, ::strnlen(raw.data() + i * size, size));
    return true;
}

/// A single integer in decimal digits; "" when the attribute is not there or something else.
std::string readNumber(const H5Handle& object, const char* name) {
    if (H5Aexists(object.get(), name) <= 0) return {};
    const H5Handle a(H5Aopen(object.get(), name, H5P_DEFAULT), H5Aclose);
    const H5Handle type(a ? H5Aget_type(a.get()) : -1, H5Tclose),
        space(a ? H5Aget_space(a.get()) : -1, H5Sclose);
    if (!type || !space || H5Tget_class(type.get()) != H5T_INTEGER ||
        H5Sget_simple_extent_npoints(space.get()) != 1)
        return {};
    int64_t value = 0;
    if (H5Aread(a.get(), H5T_NATIVE_INT64, &value) < 0) return {};
    return std::to_string(value);
}

} // namespace

Result<H5Node> h5DescribeForeign(const H5Handle& dataset) {
    H5Node n;
    n.kind = H5Node::Kind::Array;
    const H5Handle type(H5Dget_type(dataset.get()), H5Tclose);
    if (!type) return refusal("its type cannot be read: " + h5LastFailure());
    const auto element = elementType(type.get());
    if (!element) return refusal(fmt::format("an array of {}, not of plain numbers", className(type.get())));
    n.type = *element;
    QS_CHECK(readShape(dataset.get(), n));
    const size_t elementBytes = H5Tget_size(type.get());
    QS_CHECK(checkStorage(dataset.get(), elementBytes));
    n.storedBytes = H5Dget_storage_size(dataset.get());
    const uint64_t bytes = n.elements() * elementBytes;
    // What is not in the file would be filled with zeros, and time and memory taken for it.
    if (n.storedBytes < bytes / kMaxRatio || (bytes > 0 && n.storedBytes == 0))
        return refusal(
            fmt::format("its {} stored bytes cannot hold {} elements", n.storedBytes, n.elements()));
    n.attributes = h5KnownAttributes(dataset);
    return n;
}

H5Handle h5ForeignMemoryType(const H5Handle& dataset, DType type) {
    const auto copyOf = [](hid_t id) { return H5Handle(H5Tcopy(id), H5Tclose); };
    switch (type) {
    case DType::F32:
        return copyOf(H5T_IEEE_F32LE);
    case DType::F64:
        return copyOf(H5T_IEEE_F64LE);
    case DType::I8:
        return copyOf(H5T_STD_I8LE);
    case DType::U8:
        return copyOf(H5T_STD_U8LE);
    case DType::I16:
        return copyOf(H5T_STD_I16LE);
    case DType::I32:
        return copyOf(H5T_STD_I32LE);
    case DType::U32:
        return copyOf(H5T_STD_U32LE);
    case DType::I64:
        return copyOf(H5T_STD_I64LE);
    case DType::U64:
        return copyOf(H5T_STD_U64LE);
    default: {
        // As stored, but little endian where order matters: opaque bytes and enums stay what they are.
        H5Handle stored(H5Dget_type(dataset.get()), H5Tclose);
        H5Handle copy(H5Tcopy(stored.get()), H5Tclose);
        const H5T_class_t kind = H5Tget_class(copy.get());
        if (kind == H5T_INTEGER || kind == H5T_FLOAT) H5Tset_order(copy.get(), H5T_ORDER_LE);
        return copy;
    }
    }
}

std::vector<H5TextAttribute> h5KnownAttributes(const H5Handle& object) {
    std::vector<H5TextAttribute> out;
    for (const std::string base : kListAttributes) {
        H5TextAttribute list{base, {}};
        if (!readTexts(object, base, list.values))
            for (size_t i = 0; readTexts(object, base + std::to_string(i), list.values); ++i) {
            }
        if (!list.values.empty()) out.push_back(std::move(list));
    }
    for (const char* name : kTextAttributes) {
        H5TextAttribute single{name, {}};
        if (readTexts(object, name, single.values) && single.values.size() == 1)
            out.push_back(std::move(single));
    }
    for (const char* name : kNumberAttributes)
        if (std::string value = readNumber(object, name); !value.empty())
            out.push_back({name, {std::move(value)}});
    return out;
}

} // namespace qs
