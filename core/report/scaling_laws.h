// SPDX-License-Identifier: Apache-2.0
// Two published laws held against a model: how much its loss grows when it is quantized (QiD), and which bit
// width is best at equal total bits (k-bit).
#pragma once

#include "core/model/model.h"
#include "core/recipe/recipe.h"

#include <optional>
#include <string>
#include <vector>

namespace qs {

// --- Quantization-induced degradation ---

/// dLoss = k D^beta / (N^alpha P^gamma) with N parameters without embeddings, D training tokens and P bits;
/// Ouyang et al. 2025, "Low-Bit Quantization Favors Undertrained LLMs", arXiv:2411.17691, figure 6: fitted to
/// Pythia checkpoints quantized by GPTQ.
struct QidFit {
    double k = 0.017, alpha = 0.2261, beta = 0.5251, gamma = 5.4967;
    /// What it was fitted to: Pythia 160M to 12B without embeddings, the first epoch of training, 2 to 4
    /// bits.
    double leastParameters = 85056000, mostParameters = 11327027200;
    double leastTokens = 1e9, mostTokens = 206e9;
    double leastBits = 2, mostBits = 4;
};

struct QidEstimate {
    double nats = 0;                  ///< added to the loss, nats per token
    std::vector<std::string> outside; ///< "3 T training tokens are above 206 B"; empty within the fit
};

/// InvalidArgument, naming the field, unless all three are finite and above 0.
Result<QidEstimate> estimateQid(double parameters, double tokens, double bits, const QidFit& fit = {});

/// Parameters of the linears, norms and biases: embeddings (of tokens, positions and segments) and the head
/// do not count. Unsupported when the model's forward pass is not known.
Result<uint64_t> nonEmbeddingParameters(const Model& model);

// --- Accuracy against total bits ---

/// A model as stored, and how good it is.
struct SizedQuality {
    std::string label;
    double totalBits = 0; ///< of the whole checkpoint, > 0
    int width = 0;        ///< bits of its weights' codes, see bitWidth(); 0: mixed
    double quality = 0;   ///< the less the better: nats per token
};

/// quality = intercept + slope log2(totalBits), least squares over the points of one bit width.
struct WidthLine {
    int width = 0;
    size_t points = 0;
    double intercept = 0, slope = 0;
    double leastBits = 0, mostBits = 0; ///< of its points; the line says nothing beyond
    double at(double totalBits) const;
};

/// A range of total bits in which one width's line is below all others that reach it.
struct BestWidth {
    double leastBits = 0, mostBits = 0;
    int width = 0;
    std::vector<int> compared; ///< all that reach it, ascending
};

struct KBitLaw {
    std::vector<char>
        onFrontier; ///< [points] 1: none has fewer bits and is as good, or as many and is better
    std::vector<WidthLine> lines;  ///< by width; of widths with points of two sizes at least
    std::vector<BestWidth> ranges; ///< ascending, where two lines or more reach
    enum class Verdict {
        Undecided, ///< four bits were not compared with another width at equal total bits
        Agrees,    ///< four bits are best wherever they were compared
        Partly,    ///< at some sizes
        Disagrees, ///< nowhere
    } verdict = Verdict::Undecided;
};

/// The published answer: four bits (Dettmers and Zettlemoyer 2023, "The case for 4-bit precision",
/// arXiv:2212.09720).
inline constexpr int kPublishedWidth = 4;

/// InvalidArgument when a point's bits are not above 0 or its quality is not finite.
Result<KBitLaw> kBitLaw(const std::vector<SizedQuality>& points);
/// "The runs agree: 4 bits are best wherever they were compared." and its like.
std::string kBitVerdict(const KBitLaw& law);

/// Bits of the codes that nine tenths of a plan's quantized weights have; 0 when there are none such.
int bitWidth(const Plan& plan);
/// Bits per parameter as the checkpoint stores them, rounded: 16 for BF16.
int storedWidth(const Model& model);

} // namespace qs
