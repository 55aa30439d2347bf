// SPDX-License-Identifier: Apache-2.0
// HDF5 files that appear whole or not at all, and are read with suspicion. The only place that calls the HDF5
// library: every call runs under one process-wide lock, its error printing is off, plugins are never loaded.
//
// What is written: file format 1.10 (metadata with checksums), little-endian types, no times, no links but
// hard ones; every array is chunked with a Fletcher-32 checksum, so damage is found when it is read, unless
// its place was reserved before its values were known. The same calls give the same bytes. Any HDF5 tool
// (h5py, h5dump) reads it.
//
// What is read: only such files. External, soft or user-defined links, external or virtual storage, filters
// other than shuffle, deflate and Fletcher-32, other types or shapes than asked for, arrays that claim more
// than the file can hold: each is an Error that names the file and the object.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace qs {

/// IEEE half precision as stored; h5py reads it as float16.
struct HalfBits {
    uint16_t bits;
};

/// Types of array elements. BF16 has no HDF5 type: it is stored as uint16 by the caller, with an attribute.
/// H5Reader reads the first six.
enum class H5Type { F64, F32, F16, I32, U8, U16, I8, I16, U32, I64, U64 };
const char* h5TypeName(H5Type type); ///< "float64", "float16", ...

template<class T>
struct H5TypeOf;
template<>
struct H5TypeOf<double> {
    static constexpr H5Type value = H5Type::F64;
};
template<>
struct H5TypeOf<float> {
    static constexpr H5Type value = H5Type::F32;
};
template<>
struct H5TypeOf<HalfBits> {
    static constexpr H5Type value = H5Type::F16;
};
template<>
struct H5TypeOf<int32_t> {
    static constexpr H5Type value = H5Type::I32;
};
template<>
struct H5TypeOf<uint8_t> {
    static constexpr H5Type value = H5Type::U8;
};
template<>
struct H5TypeOf<uint16_t> {
    static constexpr H5Type value = H5Type::U16;
};

enum class H5Filter {
    Checksum, ///< Fletcher-32
    Compress, ///< shuffle, deflate level 1, Fletcher-32
};

using H5Shape = std::vector<uint64_t>;

struct H5Attribute {
    std::string name;
    std::variant<std::string, int64_t> value;
};

/// Limits on what a file may claim.
inline constexpr uint64_t kH5MaxBytes = uint64_t(1) << 36; ///< of one array in memory: 64 GiB
inline constexpr size_t kH5MaxChildren = size_t(1) << 20;
inline constexpr size_t kH5MaxText = size_t(1) << 26;
inline constexpr size_t kH5MaxAttribute = 60000; ///< bytes; HDF5 keeps attributes within 64 KiB

/// A part of a path as HDF5 can hold it: '/' and '%' become "%2F" and "%25", a lone "." becomes "%2E".
std::string h5EscapeName(const std::string& name);

/// Writes one file. Object names are absolute paths ("/sites/x/sigma"); missing groups on the way are made.
/// An object that exists already is an error. After a failed write commit() refuses. Not thread-safe,
/// but different writers may be used by different threads.
class H5Writer {
public:
    /// Creates a temporary sibling of `path`, and removes those that killed writers of the same path left.
    static Result<std::unique_ptr<H5Writer>> begin(const std::filesystem::path& path);
    ~H5Writer(); ///< without commit(): removes the temporary file
    H5Writer(const H5Writer&) = delete;
    H5Writer& operator=(const H5Writer&) = delete;

    Result<void> group(const std::string& name);
    /// values.size() == product of shape. shape of rank 1 .. 4; a 0 in it gives an empty array.
    template<class T>
    Result<void> array(const std::string& name, std::span<const T> values, const H5Shape& shape,
                       H5Filter filter) {
        return writeArray(name, H5TypeOf<T>::value, values.data(), values.size(), shape, filter);
    }
    template<class T>
    Result<void> matrix(const std::string& name, const MatrixT<T>& m, H5Filter filter) {
        return array<T>(name, m.span(), {m.rows(), m.cols()}, filter);
    }
    /// An array in one piece without filters, whose values `fill` gives: the file's size and the place of
    /// everything in it do not depend on them.
    Result<void> reserve(const std::string& name, H5Type type, const H5Shape& shape);
    /// All values of a reserved array as they are stored: row-major, little endian.
    Result<void> fill(const std::string& name, H5Type type, std::span<const std::byte> values);
    /// Text of any length (JSON) as an array of bytes.
    Result<void> text(const std::string& name, const std::string& text);
    /// Attributes of an existing object ("/" is the file). Text: UTF-8 without NUL, at most kH5MaxAttribute
    /// bytes.
    Result<void> attribute(const std::string& object, const std::string& name, const std::string& value);
    Result<void> attribute(const std::string& object, const std::string& name, int64_t value);
    Result<void> attributes(const std::string& object, const std::vector<H5Attribute>& list);

    /// Flushes, closes, syncs, renames over `path`. Called once, last.
    Result<void> commit();
    /// Instead of commit(): closes the file and says how many bytes it has. What was reserved need not be
    /// filled, and takes no room on the disk.
    Result<uint64_t> measure();

private:
    struct State;
    explicit H5Writer(std::unique_ptr<State> state);
    Result<void> writeArray(const std::string& name, H5Type type, const void* values, uint64_t count,
                            const H5Shape& shape, H5Filter filter);
    Result<void> close();
    std::unique_ptr<State> state_;
};

/// An open file, read-only. Thread-safe.
class H5Reader {
public:
    static Result<std::unique_ptr<H5Reader>> open(const std::filesystem::path& path);
    ~H5Reader();
    H5Reader(const H5Reader&) = delete;
    H5Reader& operator=(const H5Reader&) = delete;

    const std::filesystem::path& path() const;
    /// An object of this name is reached by hard links only.
    bool exists(const std::string& name) const;
    /// Names in a group, sorted.
    Result<std::vector<std::string>> children(const std::string& group) const;
    /// NotFound when there is no such array.
    Result<H5Shape> shape(const std::string& name) const;
    Result<H5Type> type(const std::string& name) const;

    /// The array, which must have this type and exactly this shape.
    template<class T>
    Result<std::vector<T>> array(const std::string& name, const H5Shape& shape) const {
        QS_TRY(const uint64_t count, checkArray(name, H5TypeOf<T>::value, shape));
        try {
            std::vector<T> values(count);
            QS_CHECK(readArray(name, H5TypeOf<T>::value, shape, values.data()));
            return values;
        } catch (const std::bad_alloc&) {
            return outOfMemory(name, count * sizeof(T));
        }
    }
    template<class T>
    Result<MatrixT<T>> matrix(const std::string& name, size_t rows, size_t cols) const {
        QS_TRY(const uint64_t count, checkArray(name, H5TypeOf<T>::value, {rows, cols}));
        try {
            MatrixT<T> m(rows, cols);
            QS_CHECK(readArray(name, H5TypeOf<T>::value, {rows, cols}, m.data()));
            return m;
        } catch (const std::bad_alloc&) {
            return outOfMemory(name, count * sizeof(T));
        }
    }
    Result<std::string> text(const std::string& name) const;
    bool hasAttribute(const std::string& object, const std::string& name) const;
    Result<std::string> stringAttribute(const std::string& object, const std::string& name) const;
    /// Error when it is outside [minimum, maximum].
    Result<int64_t> intAttribute(const std::string& object, const std::string& name, int64_t minimum,
                                 int64_t maximum) const;

private:
    struct State;
    explicit H5Reader(std::unique_ptr<State> state);
    /// Type, shape and plausibility, before memory is taken; the number of values.
    Result<uint64_t> checkArray(const std::string& name, H5Type type, const H5Shape& shape) const;
    Result<void> readArray(const std::string& name, H5Type type, const H5Shape& shape, void* values) const;
    Error outOfMemory(const std::string& name, uint64_t bytes) const;
    std::unique_ptr<State> state_;
};

} // namespace qs
