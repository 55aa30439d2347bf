// SPDX-License-Identifier: GPL-3.0-or-later
// The controls of ParamForm: one per parameter type, with a "mixed" state for several tensors that differ.
#pragma once

#include "core/base/param_spec.h"

#include <QDoubleSpinBox>
#include <QSpinBox>

namespace qs::ui {

/// Integers. Wide ranges whose default is a power of two (group and block sizes) step by powers of two.
class IntEdit : public QSpinBox {
    Q_OBJECT
public:
    IntEdit(const ParamSpec& spec, QWidget* parent);
    void showValue(long long value);
    void showMixed();
    bool isMixed() const { return minimum() < m_lo; }
    void stepBy(int steps) override;

signals:
    void userChanged(long long value);

private:
    int geometricStep(int from, bool up) const;
    int m_lo, m_hi;
    bool m_geometric;
    QString m_suffix;
};

/// Real numbers, shown with as few digits as name the value exactly (up to 12 decimals).
class FloatEdit : public QDoubleSpinBox {
    Q_OBJECT
public:
    FloatEdit(const ParamSpec& spec, QWidget* parent);
    void showValue(double value);
    void showMixed();
    QString textFromValue(double value) const override;

signals:
    void userChanged(double value);

private:
    double m_lo, m_hi;
    QString m_suffix;
};

} // namespace qs::ui
