<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
<context>
    <name>LayerGrid</name>
    <message numerus="yes">
        <source>%n cells</source>
        <translation>
            <numerusform>%n cell</numerusform>
            <numerusform>%n cells</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>TunePage</name>
    <message numerus="yes">
        <source>frontier, predicted, %n locked</source>
        <translation>
            <numerusform>frontier, predicted, %n locked</numerusform>
            <numerusform>frontier, predicted, %n locked</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%1 of %n linears locked</source>
        <translation>
            <numerusform>%1 of %n linear locked</numerusform>
            <numerusform>%1 of %n linears locked</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::AnatomyPane</name>
    <message numerus="yes">
        <source>weights %1–%2 · %3 values</source>
        <translation>
            <numerusform>weight %1–%2 · %3 value</numerusform>
            <numerusform>weights %1–%2 · %3 values</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::CarriedList</name>
    <message numerus="yes">
        <source>%n other files, %1</source>
        <translation>
            <numerusform>%n other file, %1</numerusform>
            <numerusform>%n other files, %1</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>and %n more</source>
        <translation>
            <numerusform>and %n more</numerusform>
            <numerusform>and %n more</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ExpertsPane</name>
    <message numerus="yes">
        <source>%n cells</source>
        <translation>
            <numerusform>%n cell</numerusform>
            <numerusform>%n cells</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ExportLint</name>
    <message numerus="yes">
        <source>Changes %n linears of the recipe, which is then run again. Undo takes it back.</source>
        <translation>
            <numerusform>Changes %n linear of the recipe, which is then run again. Undo takes it back.</numerusform>
            <numerusform>Changes %n linears of the recipe, which is then run again. Undo takes it back.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ExportMemory</name>
    <message numerus="yes">
        <source>%n blocks</source>
        <translation>
            <numerusform>%n block</numerusform>
            <numerusform>%n blocks</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ExporterListModel</name>
    <message numerus="yes">
        <source>loads, %n remarks</source>
        <translation>
            <numerusform>loads, %n remark</numerusform>
            <numerusform>loads, %n remarks</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n errors</source>
        <translation>
            <numerusform>%n error</numerusform>
            <numerusform>%n errors</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n warnings</source>
        <translation>
            <numerusform>%n warning</numerusform>
            <numerusform>%n warnings</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::InspectorPane</name>
    <message numerus="yes">
        <source>%1 tensors, 1 current</source>
        <translation>
            <numerusform>%1 tensor, 1 current</numerusform>
            <numerusform>%1 tensors, 1 current</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>edits %1 tensors</source>
        <translation>
            <numerusform>edits %1 tensor</numerusform>
            <numerusform>edits %1 tensors</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::JudgePage</name>
    <message numerus="yes">
        <source>same protocol: %1, %2 tokens, %n windows</source>
        <translation>
            <numerusform>same protocol: %1, %2 tokens, %n window</numerusform>
            <numerusform>same protocol: %1, %2 tokens, %n windows</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::KlShare</name>
    <message numerus="yes">
        <source>%1 of %n layers measured</source>
        <translation>
            <numerusform>%1 of %n layer measured</numerusform>
            <numerusform>%1 of %n layers measured</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::LayerCardPane</name>
    <message numerus="yes">
        <source>Tried on all %1 rows.</source>
        <translation>
            <numerusform>Tried on the %1 row there is.</numerusform>
            <numerusform>Tried on all %1 rows.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Tried on %1 of %2 rows.</source>
        <translation>
            <numerusform>Tried on %1 of %2 row.</numerusform>
            <numerusform>Tried on %1 of %2 rows.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::LensPictures</name>
    <message numerus="yes">
        <source>%1 groups</source>
        <translation>
            <numerusform>%1 group</numerusform>
            <numerusform>%1 groups</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%1 rows</source>
        <translation>
            <numerusform>%1 row</numerusform>
            <numerusform>%1 rows</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::MainWindow</name>
    <message numerus="yes">
        <source>Stopped after %n blocks. Resume continues with the next one.</source>
        <translation>
            <numerusform>Stopped after %n block. Resume continues with the next one.</numerusform>
            <numerusform>Stopped after %n blocks. Resume continues with the next one.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Gives the selected tensors %n bits.</source>
        <translation>
            <numerusform>Gives the selected tensors %n bit.</numerusform>
            <numerusform>Gives the selected tensors %n bits.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n parts of the session are not as they were saved: %1</source>
        <translation>
            <numerusform>A part of the session is not as it was saved: %1</numerusform>
            <numerusform>%n parts of the session are not as they were saved: %1</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::MapToolRow</name>
    <message numerus="yes">
        <source>Runs the model with one layer quantized at a time: %n layers.</source>
        <translation>
            <numerusform>Runs the model with one layer quantized at a time: %n layer.</numerusform>
            <numerusform>Runs the model with one layer quantized at a time: %n layers.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::PredictionPane</name>
    <message numerus="yes">
        <source>Measure %n random recipes</source>
        <translation>
            <numerusform>Measure %n random recipe</numerusform>
            <numerusform>Measure %n random recipes</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Measure %n more</source>
        <translation>
            <numerusform>Measure %n more</numerusform>
            <numerusform>Measure %n more</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Rank correlation %1 (Spearman, %n recipes)</source>
        <translation>
            <numerusform>Rank correlation %1 (Spearman, %n recipe)</numerusform>
            <numerusform>Rank correlation %1 (Spearman, %n recipes)</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::PredictionState</name>
    <message numerus="yes">
        <source>%n windows of %1 tokens of the built-in evaluation text</source>
        <translation>
            <numerusform>%n window of %1 tokens of the built-in evaluation text</numerusform>
            <numerusform>%n windows of %1 tokens of the built-in evaluation text</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ProblemsPane</name>
    <message numerus="yes">
        <source>Changes %n linears of the recipe, as one undo step.</source>
        <translation>
            <numerusform>Changes %n linear of the recipe, as one undo step.</numerusform>
            <numerusform>Changes %n linears of the recipe, as one undo step.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ProfilePane</name>
    <message numerus="yes">
        <source>Weights over %1 outputs</source>
        <translation>
            <numerusform>Weights over %1 output</numerusform>
            <numerusform>Weights over %1 outputs</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Weights over %1 inputs</source>
        <translation>
            <numerusform>Weights over %1 input</numerusform>
            <numerusform>Weights over %1 inputs</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ReceiptPane</name>
    <message numerus="yes">
        <source>Reopened by the readers, %1 tensors compared.</source>
        <translation>
            <numerusform>Reopened by the readers, %1 tensor compared.</numerusform>
            <numerusform>Reopened by the readers, %1 tensors compared.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%1 tensors</source>
        <translation>
            <numerusform>%1 tensor</numerusform>
            <numerusform>%1 tensors</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::RunPage</name>
    <message numerus="yes">
        <source>%1 of %n blocks</source>
        <translation>
            <numerusform>%1 of %n block</numerusform>
            <numerusform>%1 of %n blocks</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::ScalingPane</name>
    <message numerus="yes">
        <source>%n compared runs are not shown: evaluate them on the same text.</source>
        <translation>
            <numerusform>%n compared run is not shown: evaluate it on the same text.</numerusform>
            <numerusform>%n compared runs are not shown: evaluate them on the same text.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::SchemeTable</name>
    <message numerus="yes">
        <source>%n tensors</source>
        <translation>
            <numerusform>%n tensor</numerusform>
            <numerusform>%n tensors</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::Session</name>
    <message numerus="yes">
        <source>%1 of %2 linears have a format by %n patterns.</source>
        <translation>
            <numerusform>%1 of %2 linears have a format by %n pattern.</numerusform>
            <numerusform>%1 of %2 linears have a format by %n patterns.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::TensorsPane</name>
    <message numerus="yes">
        <source>%1 of %2 tensors · %3 selected</source>
        <translation>
            <numerusform>%1 of %2 tensor · %3 selected</numerusform>
            <numerusform>%1 of %2 tensors · %3 selected</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%1 tensors · %2 selected</source>
        <translation>
            <numerusform>%1 tensor · %2 selected</numerusform>
            <numerusform>%1 tensors · %2 selected</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::TextForm</name>
    <message numerus="yes">
        <source>%1 windows × %2 = %3 tokens.</source>
        <translation>
            <numerusform>%1 window × %2 = %3 tokens.</numerusform>
            <numerusform>%1 windows × %2 = %3 tokens.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source> The text gives %1 windows.</source>
        <translation>
            <numerusform> The text gives %1 window.</numerusform>
            <numerusform> The text gives %1 windows.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::TokenListsPane</name>
    <message numerus="yes">
        <source>%1 values of %2 in this window. They hold %3 % of the energy.</source>
        <translation>
            <numerusform>%1 value of %2 in this window. It holds %3 % of the energy.</numerusform>
            <numerusform>%1 values of %2 in this window. They hold %3 % of the energy.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::TokenMapPane</name>
    <message numerus="yes">
        <source>absmax of %n channels per pixel</source>
        <translation>
            <numerusform>absmax of %n channel per pixel</numerusform>
            <numerusform>absmax of %n channels per pixel</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::TunePage</name>
    <message numerus="yes">
        <source>%1 of %n linears measured</source>
        <translation>
            <numerusform>%1 of %n linear measured</numerusform>
            <numerusform>%1 of %n linears measured</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n linears are not measured and stay kept.</source>
        <translation>
            <numerusform>%n linear is not measured and stays kept.</numerusform>
            <numerusform>%n linears are not measured and stay kept.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>90 % of %n measured recipes</source>
        <translation>
            <numerusform>90 % of %n measured recipe</numerusform>
            <numerusform>90 % of %n measured recipes</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n linears have schemes that are not measured: their part is missing</source>
        <translation>
            <numerusform>%n linear has a scheme that is not measured: its part is missing</numerusform>
            <numerusform>%n linears have schemes that are not measured: their part is missing</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::TuneSteps</name>
    <message numerus="yes">
        <source>%1 and %n tied</source>
        <translation>
            <numerusform>%1 and %n tied</numerusform>
            <numerusform>%1 and %n tied</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::app::TuneTensorPane</name>
    <message numerus="yes">
        <source> and %n more</source>
        <translation>
            <numerusform> and %n more</numerusform>
            <numerusform> and %n more</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Solving leaves the selected tensors as they are. %n are locked.</source>
        <translation>
            <numerusform>Solving leaves the selected tensors as they are. %n is locked.</numerusform>
            <numerusform>Solving leaves the selected tensors as they are. %n are locked.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>qs::ui::TensorTableModel</name>
    <message numerus="yes">
        <source>%1 outputs</source>
        <translation>
            <numerusform>%1 output</numerusform>
            <numerusform>%1 outputs</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%1 inputs</source>
        <translation>
            <numerusform>%1 input</numerusform>
            <numerusform>%1 inputs</numerusform>
        </translation>
    </message>
</context>
</TS>
