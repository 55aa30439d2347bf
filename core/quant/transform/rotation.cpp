// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/rotation.h"

#include "core/linalg/blas.h"
#include "core/linalg/decompose.h"
#include "core/linalg/parallel.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr RotationInfo kKinds[] = {
    {RotationKind::Hadamard, "hadamard", "Random signs, then the Hadamard matrix", false},
    {RotationKind::Orthogonal, "orthogonal", "A random orthogonal matrix", false},
    {RotationKind::Klt, "klt", "The principal axes of what a calibration saw, then Hadamard", true},
};

/// Of m, tile by tile: a column at a time would miss the cache with every value.
void transposeInto(ConstMatrixView m, MatrixView out) {
    constexpr size_t kTile = 32;
    linalg::parallelFor((m.rows + kTile - 1) / kTile, 4, [&](size_t begin, size_t end) {
        for (size_t r0 = begin * kTile; r0 < std::min(end * kTile, m.rows); r0 += kTile)
            for (size_t c0 = 0; c0 < m.cols; c0 += kTile)
                for (size_t r = r0; r < std::min(r0 + kTile, m.rows); ++r)
                    for (size_t c = c0; c < std::min(c0 + kTile, m.cols); ++c)
                        out(c, r) = m(r, c);
    });
}

void reflect(std::span<const double> mirror, float* row) {
    double along = 0;
    for (size_t i = 0; i < mirror.size(); ++i)
        along += mirror[i] * double(row[i]);
    for (size_t i = 0; i < mirror.size(); ++i)
        row[i] = float(double(row[i]) - mirror[i] * along);
}

} // namespace

std::span<const RotationInfo> rotationKinds() {
    return kKinds;
}

Result<const RotationInfo*> findRotation(const std::string& id) {
    std::string known;
    for (const RotationInfo& kind : kKinds) {
        if (id == kind.id) return &kind;
        known += (known.empty() ? "" : ", ") + std::string(kind.id);
    }
    return Error::notFound(fmt::format("no rotation '{}'; known: {}", id, known));
}

Rotation Rotation::hadamard(size_t size, uint64_t seed) {
    Rotation r(size);
    r.hadamard_.emplace(InputRotation{.seed = seed, .scale = {}}, size);
    return r;
}

Rotation Rotation::orthogonal(size_t size, uint64_t seed) {
    Rotation r(size);
    std::mt19937_64 random(seed);
    const MatrixD q = linalg::randomOrthogonal(size, random);
    r.dense_ = Matrix(size, size);
    std::transform(q.data(), q.data() + q.size(), r.dense_.data(), [](double v) { return float(v); });
    return r;
}

Rotation Rotation::karhunenLoeve(const MatrixD& moments, uint64_t seed) {
    Rotation r = hadamard(moments.rows(), seed);
    const linalg::SymmetricEigen e = linalg::symmetricEigen(moments.view());
    r.dense_ = Matrix(r.size_, r.size_);
    for (size_t i = 0; i < r.size_; ++i)
        for (size_t j = 0; j < r.size_; ++j)
            r.dense_(i, j) = float(e.vectors(j, i));
    return r;
}

void Rotation::keepOnes() {
    const double unit = 1 / std::sqrt(double(size_));
    Matrix image(1, size_);
    std::fill_n(image.data(), size_, float(unit));
    turn(image.view());
    std::vector<double> between(size_);
    double square = 0;
    for (size_t i = 0; i < size_; ++i) {
        between[i] = double(image.data()[i]) - unit;
        square += between[i] * between[i];
    }
    constexpr double kSame = 1e-10; // the image is the vector itself but for rounding
    if (square < kSame) return;
    for (double& v : between)
        v *= std::sqrt(2 / square);
    mirror_ = std::move(between);
}

void Rotation::turn(MatrixView m) const {
    assert(m.contiguous() && m.cols % size_ == 0);
    const MatrixView pieces(m.data, m.size() / size_, size_);
    if (!dense_.empty()) {
        Matrix turned(pieces.rows, size_);
        linalg::gemm(false, true, 1.0f, pieces, dense_.view(), 0.0f, turned.view());
        std::copy_n(turned.data(), turned.size(), pieces.data);
    }
    if (!hadamard_ && mirror_.empty()) return;
    linalg::parallelFor(pieces.rows, 16, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r) {
            if (hadamard_) hadamard_->turn(pieces.row(r));
            if (!mirror_.empty()) reflect(mirror_, pieces.row(r));
        }
    });
}

void Rotation::turnColumns(MatrixView m) const {
    assert(m.rows % size_ == 0);
    Matrix columns(m.cols, m.rows);
    transposeInto(m, columns.view());
    turn(columns.view());
    transposeInto(columns.view(), m);
}

} // namespace qs
