// SPDX-License-Identifier: Apache-2.0
#include "core/report/scaling_laws.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

namespace qs {

namespace {

constexpr double kMostOfThem = 0.9; ///< of the weights: a plan has their width

Result<void> requirePositive(const char* field, double value) {
    if (std::isfinite(value) && value > 0) return {};
    return Error::invalid(fmt::format("must be a number above 0, not {:g}", value), field);
}

/// "3.15 M", "300 B": how parameters and tokens are usually quoted.
std::string quoted(double value) {
    const char* unit = value >= 1e12 ? " T" : value >= 1e9 ? " B" : value >= 1e6 ? " M" : "";
    const double scale = value >= 1e12 ? 1e12 : value >= 1e9 ? 1e9 : value >= 1e6 ? 1e6 : 1;
    return fmt::format("{:.3g}{}", value / scale, unit);
}

void noteOutside(std::vector<std::string>& out, const char* what, double value, double least, double most) {
    if (value < least) out.push_back(fmt::format("{} {} are below {}", quoted(value), what, quoted(least)));
    if (value > most) out.push_back(fmt::format("{} {} are above {}", quoted(value), what, quoted(most)));
}

std::vector<char> frontier(const std::vector<SizedQuality>& points) {
    std::vector<char> out(points.size(), 1);
    for (size_t i = 0; i < points.size(); ++i)
        for (const SizedQuality& p : points) {
            const bool noWorse = p.totalBits <= points[i].totalBits && p.quality <= points[i].quality;
            const bool better = p.totalBits < points[i].totalBits || p.quality < points[i].quality;
            if (noWorse && better) out[i] = 0;
        }
    return out;
}

/// None when all have the same size.
std::optional<WidthLine> lineThrough(int width, const std::vector<const SizedQuality*>& points) {
    WidthLine line{width, points.size(), 0, 0, INFINITY, 0};
    double x = 0, y = 0;
    for (const SizedQuality* p : points) {
        x += std::log2(p->totalBits);
        y += p->quality;
        line.leastBits = std::min(line.leastBits, p->totalBits);
        line.mostBits = std::max(line.mostBits, p->totalBits);
    }
    if (!(line.leastBits < line.mostBits)) return std::nullopt;
    x /= double(points.size());
    y /= double(points.size());
    double xx = 0, xy = 0;
    for (const SizedQuality* p : points) {
        const double d = std::log2(p->totalBits) - x;
        xx += d * d;
        xy += d * (p->quality - y);
    }
    line.slope = xy / xx;
    line.intercept = y - line.slope * x;
    return line;
}

/// Where the order of the lines can change: their ends and crossings, as log2 of total bits.
std::set<double> breaks(const std::vector<WidthLine>& lines) {
    std::set<double> out;
    for (const WidthLine& a : lines) {
        out.insert(std::log2(a.leastBits));
        out.insert(std::log2(a.mostBits));
        for (const WidthLine& b : lines)
            if (a.slope != b.slope) out.insert((b.intercept - a.intercept) / (a.slope - b.slope));
    }
    return out;
}

std::vector<BestWidth> bestWidths(const std::vector<WidthLine>& lines) {
    std::vector<BestWidth> out;
    const std::set<double> at = breaks(lines);
    for (auto from = at.begin(); from != at.end() && std::next(from) != at.end(); ++from) {
        const double to = *std::next(from), middle = std::exp2((*from + to) / 2);
        BestWidth best{std::exp2(*from), std::exp2(to), 0, {}};
        double least = INFINITY;
        for (const WidthLine& line : lines) {
            if (middle < line.leastBits || middle > line.mostBits) continue;
            best.compared.push_back(line.width);
            if (line.at(middle) < least) best.width = line.width;
            least = std::min(least, line.at(middle));
        }
        if (best.compared.size() < 2) continue;
        const bool continues = !out.empty() && out.back().mostBits == best.leastBits &&
                               out.back().width == best.width && out.back().compared == best.compared;
        if (continues)
            out.back().mostBits = best.mostBits;
        else
            out.push_back(std::move(best));
    }
    return out;
}

KBitLaw::Verdict verdictOf(const std::vector<BestWidth>& ranges) {
    size_t compared = 0, best = 0;
    for (const BestWidth& r : ranges) {
        if (std::ranges::find(r.compared, kPublishedWidth) == r.compared.end()) continue;
        ++compared;
        best += r.width == kPublishedWidth;
    }
    return compared == 0      ? KBitLaw::Verdict::Undecided
           : best == compared ? KBitLaw::Verdict::Agrees
           : best > 0         ? KBitLaw::Verdict::Partly
                              : KBitLaw::Verdict::Disagrees;
}

uint64_t elementsOf(const Checkpoint& checkpoint, const std::string& tensor) {
    const size_t i = tensor.empty() ? Checkpoint::npos : checkpoint.find(tensor);
    return i == Checkpoint::npos ? 0 : checkpoint.tensors()[i].elements();
}

} // namespace

Result<QidEstimate> estimateQid(double parameters, double tokens, double bits, const QidFit& fit) {
    QS_CHECK(requirePositive("parameters", parameters));
    QS_CHECK(requirePositive("training tokens", tokens));
    QS_CHECK(requirePositive("bits", bits));
    QidEstimate out;
    out.nats =
        fit.k * std::pow(tokens, fit.beta) / (std::pow(parameters, fit.alpha) * std::pow(bits, fit.gamma));
    noteOutside(out.outside, "parameters", parameters, fit.leastParameters, fit.mostParameters);
    noteOutside(out.outside, "training tokens", tokens, fit.leastTokens, fit.mostTokens);
    noteOutside(out.outside, "bits", bits, fit.leastBits, fit.mostBits);
    return out;
}

Result<uint64_t> nonEmbeddingParameters(const Model& model) {
    QS_CHECK(model.requireForward());
    const ModelSpec& spec = model.spec();
    std::set<std::string> apart = {spec.embedding.tokens, spec.embedding.positions, spec.embedding.types};
    apart.insert(spec.head.weight); // the embedding once more where they are tied
    uint64_t count = 0;
    for (const std::string& tensor : apart)
        count += elementsOf(model.checkpoint(), tensor);
    return model.parameterCount() - std::min(count, model.parameterCount());
}

double WidthLine::at(double totalBits) const {
    return intercept + slope * std::log2(totalBits);
}

Result<KBitLaw> kBitLaw(const std::vector<SizedQuality>& points) {
    std::map<int, std::vector<const SizedQuality*>> byWidth;
    for (const SizedQuality& p : points) {
        if (!std::isfinite(p.totalBits) || !(p.totalBits > 0))
            return Error::invalid(fmt::format("total bits must be above 0, not {:g}", p.totalBits), p.label);
        if (!std::isfinite(p.quality))
            return Error::invalid(fmt::format("quality must be a number, not {:g}", p.quality), p.label);
        if (p.width > 0) byWidth[p.width].push_back(&p);
    }
    KBitLaw out;
    out.onFrontier = frontier(points);
    for (const auto& entry : byWidth)
        if (auto line = lineThrough(entry.first, entry.second)) out.lines.push_back(*line);
    out.ranges = bestWidths(out.lines);
    out.verdict = verdictOf(out.ranges);
    return out;
}

std::string kBitVerdict(const KBitLaw& law) {
    switch (law.verdict) {
    case KBitLaw::Verdict::Agrees:
        return "The runs agree: 4 bits are best wherever they were compared at equal total bits.";
    case KBitLaw::Verdict::Partly:
        return "The runs agree in part: 4 bits are best at some of the sizes where they were compared.";
    case KBitLaw::Verdict::Disagrees:
        return "The runs disagree: another width is better wherever 4 bits were compared at equal total "
               "bits.";
    case KBitLaw::Verdict::Undecided:
        break;
    }
    return "The runs cannot tell: it takes models of one family in several sizes, so that 4 bits and another "
           "width meet at equal total bits.";
}

int bitWidth(const Plan& plan) {
    std::map<int, uint64_t> weights;
    uint64_t all = 0;
    for (const PlanEntry& e : plan.entries) {
        if (!e.scheme) continue;
        const auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
        const uint64_t n = uint64_t(e.target.rows) * e.target.cols;
        weights[codec ? (*codec)->bits() : 0] += n;
        all += n;
    }
    for (const auto& entry : weights)
        if (double(entry.second) >= kMostOfThem * double(all)) return entry.first;
    return 0;
}

int storedWidth(const Model& model) {
    const uint64_t n = std::max<uint64_t>(1, model.parameterCount());
    return int(std::lround(8.0 * double(model.checkpoint().totalBytes()) / double(n)));
}

} // namespace qs
