# SPDX-License-Identifier: Apache-2.0
"""The cases: config.json as transformers writes it (in the spelling of v4 unless said otherwise) and the forward."""
from dataclasses import dataclass, field
from typing import Callable

from . import gemma, gpt_family, llama_family

TOKENS = 24


@dataclass
class Case:
    forward: Callable
    config: dict
    options: dict = field(default_factory=dict)
    # A bias of k alone adds the same to all scores of a query: softmax does not see it.
    inert: tuple = ()
    # Features whose effect is small by nature: name -> least change of a logit.
    small: dict = field(default_factory=dict)


def config(cls, model_type, **fields):
    base = {"architectures": [cls], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
            "initializer_range": 0.02, "model_type": model_type, "tie_word_embeddings": False,
            "torch_dtype": "float32", "transformers_version": "4.53.0", "use_cache": True}
    return {key: value for key, value in sorted({**base, **fields}.items()) if value != "absent"}


def llama(**fields):
    base = {"attention_bias": False, "head_dim": 8, "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 44,
            "max_position_embeddings": 128, "mlp_bias": False, "num_attention_heads": 4, "num_hidden_layers": 2,
            "num_key_value_heads": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-5, "rope_scaling": None,
            "rope_theta": 10000.0, "vocab_size": 61}
    return config("LlamaForCausalLM", "llama", **{**base, **fields})


def llama_rope(scaling, **fields):
    return llama(rope_scaling=scaling, **fields)


LLAMA3 = {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 32,
          "rope_type": "llama3"}


def qwen2(**fields):
    base = {"hidden_act": "silu", "hidden_size": 32, "intermediate_size": 52, "max_position_embeddings": 96,
            "max_window_layers": 2, "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 1000000.0, "sliding_window": 6,
            "use_sliding_window": False, "vocab_size": 67}
    return config("Qwen2ForCausalLM", "qwen2", **{**base, **fields})


def qwen3(cls="Qwen3ForCausalLM", model_type="qwen3", **fields):
    base = {"attention_bias": False, "head_dim": 12, "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 44,
            "max_position_embeddings": 96, "max_window_layers": 2, "num_attention_heads": 4, "num_hidden_layers": 2,
            "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 1000000.0,
            "sliding_window": None, "use_sliding_window": False, "vocab_size": 59}
    return config(cls, model_type, **{**base, **fields})


def gemma1(**fields):
    base = {"attention_bias": False, "head_dim": 16, "hidden_act": "gelu_pytorch_tanh",
            "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 24, "intermediate_size": 52,
            "max_position_embeddings": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 1,
            "pad_token_id": 0, "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 10000.0,
            "tie_word_embeddings": "absent", "vocab_size": 71}
    return config("GemmaForCausalLM", "gemma", **{**base, **fields})


GEMMA3 = {"attention_bias": False, "attn_logit_softcapping": None, "final_logit_softcapping": None, "head_dim": 8,
          "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 32, "intermediate_size": 36,
          "max_position_embeddings": 64, "num_attention_heads": 4, "num_hidden_layers": 3, "num_key_value_heads": 2,
          "query_pre_attn_scalar": 12, "rms_norm_eps": 1e-6, "rope_local_base_freq": 100.0, "rope_scaling": None,
          "rope_theta": 10000.0, "sliding_window": 5, "tie_word_embeddings": "absent", "vocab_size": 65}
FULL_LAST = ["sliding_attention", "sliding_attention", "full_attention"]


def phi3(**fields):
    base = {"attention_bias": False, "embd_pdrop": 0.0, "hidden_act": "silu", "hidden_size": 32,
            "intermediate_size": 44, "max_position_embeddings": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
            "num_key_value_heads": 4, "original_max_position_embeddings": 64, "pad_token_id": 0, "resid_pdrop": 0.0,
            "rms_norm_eps": 1e-5, "rope_scaling": None, "rope_theta": 10000.0, "sliding_window": 9, "vocab_size": 63}
    return config("Phi3ForCausalLM", "phi3", **{**base, **fields})


def gpt2(**fields):
    base = {"activation_function": "gelu_new", "attn_pdrop": 0.1, "embd_pdrop": 0.1, "layer_norm_epsilon": 1e-5,
            "n_ctx": 40, "n_embd": 24, "n_head": 3, "n_inner": None, "n_layer": 2, "n_positions": 40,
            "reorder_and_upcast_attn": False, "resid_pdrop": 0.1, "scale_attn_by_inverse_layer_idx": False,
            "scale_attn_weights": True, "tie_word_embeddings": "absent", "vocab_size": 73}
    return config("GPT2LMHeadModel", "gpt2", **{**base, **fields})


def gpt_neox(**fields):
    base = {"attention_bias": True, "classifier_dropout": 0.1, "hidden_act": "gelu", "hidden_dropout": 0.0,
            "hidden_size": 32, "intermediate_size": 68, "layer_norm_eps": 1e-5, "max_position_embeddings": 64,
            "num_attention_heads": 2, "num_hidden_layers": 2, "rope_scaling": None, "rotary_emb_base": 10000,
            "rotary_pct": 0.25, "use_parallel_residual": True, "vocab_size": 62}
    return config("GPTNeoXForCausalLM", "gpt_neox", **{**base, **fields})


def opt(**fields):
    base = {"_remove_final_layer_norm": False, "activation_function": "relu", "do_layer_norm_before": True,
            "dropout": 0.1, "enable_bias": True, "ffn_dim": 52, "hidden_size": 32,
            "layer_norm_elementwise_affine": True, "layerdrop": 0.0, "max_position_embeddings": 40,
            "num_attention_heads": 4, "num_hidden_layers": 2,
            "pad_token_id": 1, "prefix": "</s>", "tie_word_embeddings": "absent", "vocab_size": 66,
            "word_embed_proj_dim": 32}
    return config("OPTForCausalLM", "opt", **{**base, **fields})


def bloom(**fields):
    base = {"apply_residual_connection_post_layernorm": False, "hidden_dropout": 0.0, "hidden_size": 24,
            "layer_norm_epsilon": 1e-5, "n_head": 3, "n_layer": 2, "pad_token_id": 3, "pretraining_tp": 1,
            "slow_but_exact": False, "tie_word_embeddings": "absent", "vocab_size": 70}
    return config("BloomForCausalLM", "bloom", **{**base, **fields})


def falcon(**fields):
    base = {"activation": "gelu", "alibi": False, "apply_residual_connection_post_layernorm": False, "bias": False,
            "ffn_hidden_size": 68, "hidden_dropout": 0.0, "hidden_size": 32, "layer_norm_epsilon": 1e-5,
            "max_position_embeddings": 64, "multi_query": True, "new_decoder_architecture": False,
            "num_attention_heads": 4, "num_hidden_layers": 2, "num_kv_heads": 4, "num_ln_in_parallel_attn": None,
            "parallel_attn": True, "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": "absent",
            "vocab_size": 68}
    return config("FalconForCausalLM", "falcon", **{**base, **fields})


def stablelm(**fields):
    base = {"hidden_act": "silu", "hidden_dropout": 0.0, "hidden_size": 32, "intermediate_size": 44,
            "layer_norm_eps": 1e-5, "max_position_embeddings": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
            "num_key_value_heads": 2, "partial_rotary_factor": 0.25, "qk_layernorm": False, "rope_scaling": None,
            "rope_theta": 10000, "use_parallel_residual": False, "use_qkv_bias": True, "vocab_size": 60}
    return config("StableLmForCausalLM", "stablelm", **{**base, **fields})


MOE = {"decoder_sparse_step": 1, "mlp_only_layers": [], "moe_intermediate_size": 12, "num_experts": 5,
       "num_experts_per_tok": 2, "output_router_logits": False, "router_aux_loss_coef": 0.001}


def bert(**fields):
    base = {"attention_probs_dropout_prob": 0.1, "attention_dropout": "absent", "bos_token_id": "absent",
            "classifier_dropout": None, "eos_token_id": "absent", "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "hidden_size": 32, "intermediate_size": 44, "layer_norm_eps": 1e-12, "max_position_embeddings": 40,
            "num_attention_heads": 4, "num_hidden_layers": 2, "pad_token_id": 0, "position_embedding_type": "absolute",
            "tie_word_embeddings": "absent", "type_vocab_size": 2, "vocab_size": 58}
    return config("BertForMaskedLM", "bert", **{**base, **fields})


LL, NN = llama_family, gpt_family
TANH = {"tanh gelu": 5e-4}  # the two gelus differ by at most 5e-4

CASES = {
    "llama": Case(LL.llama, llama()),
    "llama_bias": Case(LL.llama, llama(
        attention_bias=True, mlp_bias=True, tie_word_embeddings=True, head_dim="absent")),
    "llama_linear": Case(LL.llama, llama_rope({"factor": 4.0, "type": "linear"})),
    "llama_dynamic": Case(LL.llama, llama_rope({"factor": 2.0, "type": "dynamic"}, max_position_embeddings=16)),
    "llama_llama3": Case(LL.llama, llama_rope(LLAMA3, max_position_embeddings=256)),
    "llama_yarn": Case(LL.llama, llama_rope({
        "beta_fast": 4.0, "beta_slow": 0.5, "factor": 4.0, "original_max_position_embeddings": 32,
        "rope_type": "yarn"}, head_dim=16)),
    "llama_longrope": Case(LL.llama, llama_rope({
        "factor": 4.0, "long_factor": [9.0, 9.5, 10.0, 11.0], "original_max_position_embeddings": 32,
        "rope_type": "longrope", "short_factor": [1.0, 1.4, 2.5, 3.0]})),
    # The spelling of transformers 5.
    "llama_v5": Case(LL.llama, llama(
        rope_scaling="absent", rope_theta="absent", torch_dtype="absent", dtype="float32", transformers_version="5.0.0",
        max_position_embeddings=256, rope_parameters={**LLAMA3, "rope_theta": 500.0})),
    "mistral": Case(LL.llama, config(
        "MistralForCausalLM", "mistral", head_dim=12, hidden_act="silu", hidden_size=32, intermediate_size=44,
        max_position_embeddings=96, num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=2,
        rms_norm_eps=1e-5, rope_theta=10000.0, sliding_window=7, vocab_size=53)),
    "qwen2": Case(LL.llama, qwen2()),
    "qwen2_sliding": Case(LL.llama, qwen2(
        use_sliding_window=True, max_window_layers=1, tie_word_embeddings=True, head_dim="absent",
        rope_scaling={"factor": 3.0, "original_max_position_embeddings": 32, "type": "yarn"})),
    "qwen2_v5": Case(LL.llama, qwen2(
        rope_scaling="absent", rope_theta="absent", torch_dtype="absent", dtype="float32", transformers_version="5.0.0",
        use_sliding_window=True, max_window_layers=1, layer_types=["full_attention", "sliding_attention"],
        rope_parameters={"rope_theta": 1000000.0, "rope_type": "default"})),
    "qwen3": Case(LL.llama, qwen3()),
    "gemma": Case(gemma.gemma, gemma1(), small=TANH),
    # Older files name the exact gelu and mean the tanh one.
    "gemma_legacy": Case(gemma.gemma, gemma1(hidden_act="gelu", hidden_activation="absent"), small=TANH),
    "gemma2": Case(gemma.gemma, config(
        "Gemma2ForCausalLM", "gemma2", attention_bias=False, attn_logit_softcapping=3.0, cache_implementation="hybrid",
        final_logit_softcapping=8.0, head_dim=8, hidden_act="gelu_pytorch_tanh", hidden_activation="gelu_pytorch_tanh",
        hidden_size=32, intermediate_size=36, max_position_embeddings=64, num_attention_heads=4, num_hidden_layers=3,
        num_key_value_heads=2, pad_token_id=0, query_pre_attn_scalar=16, rms_norm_eps=1e-6, rope_theta=10000.0,
        sliding_window=6, tie_word_embeddings="absent", vocab_size=64), small=TANH),
    "gemma3": Case(gemma.gemma, config("Gemma3ForCausalLM", "gemma3_text", **GEMMA3, sliding_window_pattern=3),
                   small=TANH),
    "gemma3_v5": Case(gemma.gemma, config(
        "Gemma3ForCausalLM", "gemma3_text",
        **{**GEMMA3, "rope_local_base_freq": "absent", "rope_theta": "absent", "rope_scaling": "absent",
           "torch_dtype": "absent", "dtype": "float32", "transformers_version": "5.0.0", "layer_types": FULL_LAST,
           "rope_parameters": {
               "full_attention": {"factor": 8.0, "rope_theta": 10000.0, "rope_type": "linear"},
               "sliding_attention": {"rope_theta": 100.0, "rope_type": "default"}}}), small=TANH),
    # A multimodal file: the text model is nested, and its config leaves out what the class assumes.
    "gemma3_nested": Case(gemma.gemma, config(
        "Gemma3ForConditionalGeneration", "gemma3", attention_dropout="absent", tie_word_embeddings="absent",
        bos_token_id="absent", eos_token_id=[1, 106], boi_token_index=255999, mm_tokens_per_image=256,
        use_cache="absent",
        text_config={"head_dim": 8, "hidden_size": 32, "intermediate_size": 36, "model_type": "gemma3_text",
                     "num_attention_heads": 4, "num_hidden_layers": 3, "num_key_value_heads": 2,
                     "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 5,
                     "sliding_window_pattern": 3, "vocab_size": 65},
        vision_config={"hidden_size": 8, "model_type": "siglip_vision_model"}),
        options={"base": "language_model.model."}, small=TANH),
    "phi3": Case(LL.phi3, phi3()),
    "phi3_longrope": Case(LL.phi3, phi3(
        num_key_value_heads=2, partial_rotary_factor=0.75, original_max_position_embeddings=16, sliding_window=262144,
        max_position_embeddings=128, tie_word_embeddings=True,
        rope_scaling={"long_factor": [1.0, 1.3, 4.0], "short_factor": [1.0, 1.1, 1.2], "type": "longrope"}),
        inert=("sliding window",)),
    "gpt2": Case(NN.gpt2, gpt2(), options={"base": "", "buffers": True}, small=TANH),
    "gpt2_scaled": Case(NN.gpt2, gpt2(scale_attn_by_inverse_layer_idx=True, n_inner=52),
                        options={"base": "transformer.", "buffers": False}, small=TANH),
    "gpt_neox": Case(NN.gpt_neox, gpt_neox()),
    "gpt_neox_sequential": Case(NN.gpt_neox, gpt_neox(use_parallel_residual=False, rotary_pct=1.0)),
    "opt": Case(NN.opt, opt(), inert=("self_attn.k_proj.bias",)),
    "opt_post_norm": Case(NN.opt, opt(do_layer_norm_before=False, word_embed_proj_dim=20),
                          inert=("self_attn.k_proj.bias",)),
    "bloom": Case(NN.bloom, bloom(), small=TANH),
    "bloom_post_norm": Case(NN.bloom, bloom(apply_residual_connection_post_layernorm=True), small=TANH),
    "falcon_7b": Case(NN.falcon, falcon()),
    "falcon_40b": Case(NN.falcon, falcon(new_decoder_architecture=True, num_kv_heads=2)),
    "falcon_11b": Case(NN.falcon, falcon(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1)),
    "falcon_rw": Case(NN.falcon, falcon(
        alibi=True, bias=True, multi_query=False, parallel_attn=False, hidden_size=48, num_attention_heads=12,
        num_kv_heads=12, ffn_hidden_size=36), small={"alibi in bfloat16": 1e-3}),
    "stablelm": Case(LL.stablelm, stablelm()),
    "stablelm_parallel": Case(LL.stablelm, stablelm(
        num_attention_heads=4, partial_rotary_factor=0.5, qk_layernorm=True, use_parallel_residual=True,
        use_qkv_bias=False)),
    "mixtral": Case(LL.llama, config(
        "MixtralForCausalLM", "mixtral", hidden_act="silu", hidden_size=32, intermediate_size=20,
        max_position_embeddings=96, num_attention_heads=4, num_experts_per_tok=2, num_hidden_layers=2,
        num_key_value_heads=2, num_local_experts=4, output_router_logits=False, rms_norm_eps=1e-5, rope_theta=1000000.0,
        router_aux_loss_coef=0.02, sliding_window=None, vocab_size=57)),
    "qwen2_moe": Case(LL.llama, config(
        "Qwen2MoeForCausalLM", "qwen2_moe", **{**MOE, "mlp_only_layers": [0]}, hidden_act="silu", hidden_size=32,
        intermediate_size=28, max_position_embeddings=96, max_window_layers=2, norm_topk_prob=False,
        num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=2, rms_norm_eps=1e-6, rope_theta=1000000.0,
        shared_expert_intermediate_size=20, sliding_window=8, use_sliding_window=False, vocab_size=55)),
    "qwen3_moe": Case(LL.llama, qwen3("Qwen3MoeForCausalLM", "qwen3_moe", **{**MOE, "decoder_sparse_step": 2},
                                      norm_topk_prob=True, num_hidden_layers=2)),
    "bert": Case(NN.bert, bert(), inert=("attention.self.key.bias",)),
    # As converted from the first releases: norms named gamma and beta, and the heads of pre-training.
    "bert_legacy": Case(NN.bert, bert(architectures=["BertForPreTraining"]), options={"legacy": True},
                        inert=("attention.self.key.bias",)),
    # Galactica's options.
    "opt_plain": Case(NN.opt, opt(activation_function="gelu", enable_bias=False, layer_norm_elementwise_affine=False)),
}
