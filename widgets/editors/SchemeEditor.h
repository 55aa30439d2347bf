// SPDX-License-Identifier: GPL-3.0-or-later
// Codec and method of one or many tensors, with the forms their registries describe.
#pragma once

#include "core/recipe/recipe.h"
#include "widgets/models/TargetTableSource.h"

#include <QWidget>
#include <memory>
#include <vector>

class QComboBox;
class QLabel;

namespace qs::ui {

class ParamForm;

class SchemeEditor : public QWidget {
    Q_OBJECT
public:
    explicit SchemeEditor(QWidget* parent = nullptr);

    /// Shows the schemes of the selected tensors (null = kept). What differs between them shows "mixed".
    void setSchemes(const std::vector<std::shared_ptr<const Scheme>>& schemes);
    /// Methods that need calibration are marked, and say so, while there is none.
    void setCalibrated(bool calibrated);

    QComboBox* codecBox() const { return m_codec; }
    QComboBox* methodBox() const { return m_method; }
    ParamForm* codecForm() const { return m_codecForm; }
    ParamForm* methodForm() const { return m_methodForm; }

signals:
    /// The user changed one aspect; everything else stays as it is on every selected tensor.
    void edited(const qs::ui::SchemeEdit& edit);

private:
    void fillMethods();
    void showForms();

    std::vector<std::shared_ptr<const Scheme>> m_schemes;
    QComboBox* m_codec = nullptr;
    QComboBox* m_method = nullptr;
    QLabel* m_methodLabel = nullptr;
    QLabel* m_note = nullptr;
    ParamForm* m_codecForm = nullptr;
    ParamForm* m_methodForm = nullptr;
    bool m_calibrated = false;
    bool m_showing = false;
};

} // namespace qs::ui
