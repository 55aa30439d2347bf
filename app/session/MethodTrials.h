// SPDX-License-Identifier: GPL-3.0-or-later
// MethodTrials: the tensor under the lens in the codes of every registered method that can run with what is
// at hand, and one group of it taken apart. Data-free methods run on the light pool, the others on the
// engine; what the run wrote is taken from the run. GUI thread only.
#pragma once

#include "app/session/Lens.h"
#include "core/quant/anatomy.h"

namespace qs::app {

/// One way to quantize the tensor.
struct MethodTrial {
    QString label; ///< "Round to nearest · mse"; "" when there is nothing to show
    std::shared_ptr<const QuantizedTensor> tensor;
    QString note; ///< why there is no tensor (yet)
};

/// One row and group of the tensor in the codes of the trials.
struct Anatomy {
    GroupSlice slice;
    std::vector<std::optional<GroupCodes>> codes; ///< one per trial; empty where it has no tensor
    int levels = 0;
};

class MethodTrials : public QObject {
    Q_OBJECT
public:
    /// Solving costs at most this much without being asked: some seconds.
    static constexpr double kMostFlops = 2e11;

    MethodTrials(Session* session, Lens* lens, QObject* parent = nullptr);

    /// Follows the lens while active; idle otherwise.
    void setActive(bool active);
    void setGroup(size_t row, size_t group);
    size_t row() const { return m_row; }
    size_t group() const { return m_group; }

    /// First what the run wrote (or a recipe that no method's row shows), then the what-if in front of the
    /// lens, then the methods.
    const std::vector<MethodTrial>& trials() const { return m_trials; }
    /// Null until computed; belongs to trials() as they are.
    std::shared_ptr<const Anatomy> anatomy() const { return m_anatomy; }

signals:
    void changed();

private:
    void follow();
    void startOver();
    MethodTrial originalTrial() const;
    void start(const MethodDescriptor& method, Params params, const QString& label);
    void dissect();

    Session* m_session;
    Lens* m_lens;
    bool m_active = false;
    std::shared_ptr<const LensSource> m_source;
    LensViewPtr m_front;
    std::vector<MethodTrial> m_trials;
    std::vector<QPointer<JobHandle>> m_jobs;
    size_t m_row = 0, m_group = 0;
    std::shared_ptr<const Anatomy> m_anatomy;
};

} // namespace qs::app
