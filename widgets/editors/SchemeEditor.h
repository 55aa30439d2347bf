// SPDX-License-Identifier: GPL-3.0-or-later
// Codec, method and rounding of the inputs and outputs of one or many tensors, with the forms that the
// registries describe. GUI thread only.
#pragma once

#include "widgets/models/SchemeEdit.h"

#include <QWidget>
#include <memory>
#include <vector>

class QComboBox;
class QGridLayout;
class QLabel;

namespace qs::ui {

class ParamForm;

class SchemeEditor : public QWidget {
    Q_OBJECT
public:
    using SchemePtr = std::shared_ptr<const Scheme>;

    explicit SchemeEditor(QWidget* parent = nullptr);

    /// Shows the schemes of the selected tensors (null = kept); none disables the editor. What differs
    /// between them shows "mixed". Emits nothing.
    void setSchemes(const std::vector<SchemePtr>& schemes);
    /// While there is no calibration, the note says which method needs one.
    void setCalibrated(bool calibrated);

    QComboBox* codecBox() const { return m_codec; }
    QComboBox* methodBox() const { return m_method; }
    QComboBox* inputsBox() const { return m_inputs; }
    QComboBox* outputsBox() const { return m_outputs; }
    ParamForm* codecForm() const { return m_codecForm; }
    ParamForm* methodForm() const { return m_methodForm; }
    QString note() const;

signals:
    /// The user changed one aspect; everything else stays as it is on every selected tensor.
    void edited(const qs::ui::SchemeEdit& edit);

private:
    void showForm(ParamForm* form, const ParamSpecs* specs, Params Scheme::*params);
    /// A row of the grid with the presets `names`; choosing one emits `edit` with it.
    QComboBox* addRounding(int row, QLabel* label, const std::vector<std::string>& names,
                           SchemeEdit (*edit)(std::string));
    void showRounding(QComboBox* box, std::optional<InputScheme> Scheme::*format, size_t presets);
    void alignColumns(); ///< one column of names and one of controls, over both forms
    void showNote();

    std::vector<SchemePtr> m_schemes;
    QComboBox* m_codec;
    QComboBox* m_method;
    QLabel* m_methodLabel;
    QLabel* m_inputsLabel;
    QLabel* m_outputsLabel;
    QLabel* m_note;
    ParamForm* m_codecForm;
    ParamForm* m_methodForm;
    QGridLayout* m_grid;
    QComboBox *m_inputs, *m_outputs;
    bool m_calibrated = false;
};

} // namespace qs::ui
