// SPDX-License-Identifier: Apache-2.0
// What the arrays of an HDF5 file from elsewhere mean: weights and biases of modules, activations
// [tokens, channels], tensors of no known role, or nothing. Decided per array by the first of: the rules of a
// mapping file, the layouts of Keras, a list of usual names.
//
// A mapping file is JSON:
//   {"rules": [{"pattern": "/blocks/*/attn/q", "role": "weight", "module": "layers.{1}.self_attn.q_proj",
//               "transpose": true, "flatten": "trailing", "bfloat16": true}, ...]}
// pattern   of the array's path (path_pattern.h)
// role      weight | bias | activation | tensor | ignore
// module    name of the module, or of the activation site; "{1}" is what the first star stood for. Left out:
//           the path with '.' for '/'; for weight and bias without its last part
// transpose stored [in, out]: the matrix is shown as [out, in]
// flatten   leading: [a, b, c] counts as [a * b, c]; trailing: as [a, b * c]
// bfloat16  two-byte integers or opaque bytes are bfloat16
#pragma once

#include "core/hdf5/h5_import_protocol.h"

#include <filesystem>

namespace qs {

enum class H5Role { Weight, Bias, Activation, Tensor, Ignore };
const char* h5RoleName(H5Role role); ///< "weight", ...

enum class H5Flatten { None, Leading, Trailing };

struct H5MapRule {
    std::string pattern;
    H5Role role = H5Role::Tensor;
    std::string module;
    bool transpose = false, bfloat16 = false;
    H5Flatten flatten = H5Flatten::None;
};

struct H5Mapping {
    std::vector<H5MapRule> rules;
    std::string source; ///< the file's name, for messages
};

/// Errors name the rule and the field. At most 256 rules, patterns of at most 256 characters and 8 stars.
Result<H5Mapping> parseH5Mapping(const std::string& json, const std::string& source);
Result<H5Mapping> loadH5Mapping(const std::filesystem::path& file);
/// "<file>.map.json" beside the file: its mapping, an empty one when there is none.
Result<H5Mapping> sidecarH5Mapping(const std::filesystem::path& h5File);

/// One array with its meaning.
struct H5MappedArray {
    size_t node = 0; ///< index in the listing
    H5Role role = H5Role::Tensor;
    std::string name;        ///< of the tensor ("layers.0.q.weight") or the site; not empty, UTF-8
    DType type = DType::F32; ///< the node's, or BF16
    bool transpose = false;
    uint64_t rows = 0, cols = 0; ///< as stored, flattened; rank 1 is one row
    std::vector<uint64_t> shape; ///< as shown: flattened and transposed; activations are [tokens, channels]
    std::string reason;          ///< who decided: "rule 2 of x.map.json", "Keras", "usual names", ...
};

/// Decides over every array of the listing, in its order. Errors: a rule that cannot be applied (transposing
/// what is no matrix, bfloat16 of something other than two bytes, a star that the pattern does not have), two
/// arrays of one name, names that are not UTF-8.
Result<std::vector<H5MappedArray>> mapH5Arrays(const H5Listing& listing, const H5Mapping& mapping);

} // namespace qs
