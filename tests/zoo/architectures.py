"""Architectures of transformers, small: name -> the class, what its configuration has otherwise, what it is given."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Architecture(NamedTuple):
    """One architecture.

    Attributes:
        model: name of its class in transformers.
        config: what differs from the class's default configuration.
        inputs: keyword -> tensor of forward.
    """

    model: str
    config: dict[str, Any]
    inputs: dict[str, Tensor]


def tokens(length: int = 16, batch: int = 2) -> Tensor:
    return torch.randint(4, 60, (batch, length), generator=torch.Generator().manual_seed(length))


def image(size: int = 32, channels: int = 3, batch: int = 2) -> Tensor:
    return torch.rand(batch, channels, size, size, generator=torch.Generator().manual_seed(size))


def signal(*sizes: int) -> Tensor:
    return torch.rand(sizes, generator=torch.Generator().manual_seed(len(sizes)))


ONES = torch.ones(2, 16, dtype=torch.int64)
TEXT = {"input_ids": tokens(), "attention_mask": ONES}
BOTH = {"input_ids": tokens(), "decoder_input_ids": tokens(8)}
IMAGE = {"pixel_values": image()}
WAVE = {"input_values": signal(2, 4000)}

#: Sizes under the names that most configurations share.
SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
KEYS = {**SMALL, "num_key_value_heads": 2}
PAD = {"pad_token_id": 0}
SEQ2SEQ = {
    "vocab_size": 64,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "pad_token_id": 0,
    "decoder_start_token_id": 1,
}
PATCHES = {**{k: v for k, v in SMALL.items() if k != "vocab_size"}, "image_size": 32, "patch_size": 8}
STAGES = {"depths": [1, 2], "num_heads": [2, 4]}
HEARD = {
    **SMALL,
    "conv_dim": [16, 16, 32],
    "conv_stride": [5, 2, 2],
    "conv_kernel": [10, 3, 3],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
TOWERS = {
    "text_config": {**SMALL, "max_position_embeddings": 32},
    "vision_config": PATCHES,
    "projection_dim": 24,
}

ENCODERS = {
    "albert": Architecture("AlbertModel", {**SMALL, "embedding_size": 16}, TEXT),
    "bert": Architecture("BertForMaskedLM", SMALL, TEXT),
    "big_bird": Architecture("BigBirdModel", {**SMALL, "attention_type": "original_full"}, TEXT),
    "canine": Architecture("CanineModel", {**SMALL, "local_transformer_stride": 8}, {"input_ids": tokens(32)}),
    "convbert": Architecture("ConvBertModel", {**SMALL, "embedding_size": 32}, TEXT),
    "deberta": Architecture(
        "DebertaModel", {**SMALL, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}, TEXT
    ),
    "deberta_v2": Architecture("DebertaV2Model", {**SMALL, "relative_attention": True, "pos_att_type": ["c2p"]}, TEXT),
    "distilbert": Architecture("DistilBertModel", {"vocab_size": 64, "dim": 32, "n_heads": 4, "hidden_dim": 48}, TEXT),
    "electra": Architecture("ElectraModel", {**SMALL, "embedding_size": 16}, TEXT),
    "fnet": Architecture("FNetModel", SMALL, {"input_ids": tokens()}),
    "funnel": Architecture(
        "FunnelModel",
        {"vocab_size": 64, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48, "block_sizes": [1, 1]},
        TEXT,
    ),
    "longformer": Architecture("LongformerModel", {**SMALL, "attention_window": 8}, TEXT),
    "mobilebert": Architecture("MobileBertModel", {**SMALL, "true_hidden_size": 16, "intra_bottleneck_size": 16}, TEXT),
    "modernbert": Architecture("ModernBertModel", {**SMALL, **PAD}, TEXT),
    "mpnet": Architecture("MPNetModel", SMALL, TEXT),
    "nystromformer": Architecture(
        "NystromformerModel", {**SMALL, "num_landmarks": 4, "segment_means_seq_len": 16}, TEXT
    ),
    "roberta": Architecture("RobertaModel", SMALL, TEXT),
    "roformer": Architecture("RoFormerModel", SMALL, TEXT),
    "squeezebert": Architecture("SqueezeBertModel", {**SMALL, "embedding_size": 32}, TEXT),
    "xlnet": Architecture(
        "XLNetModel", {"vocab_size": 64, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}, TEXT
    ),
}
DECODERS = {
    "bloom": Architecture("BloomForCausalLM", {"vocab_size": 64, "hidden_size": 32, "n_layer": 2, "n_head": 4}, TEXT),
    "cohere": Architecture("CohereForCausalLM", {**KEYS, **PAD}, TEXT),
    "falcon": Architecture("FalconForCausalLM", SMALL, TEXT),
    "gemma3": Architecture("Gemma3ForCausalLM", {**KEYS, "head_dim": 8, "sliding_window": 8}, TEXT),
    "glm4": Architecture("Glm4ForCausalLM", {**KEYS, **PAD, "head_dim": 8}, TEXT),
    "gpt2": Architecture("GPT2LMHeadModel", {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}, TEXT),
    "gpt_neox": Architecture("GPTNeoXForCausalLM", SMALL, TEXT),
    "gptj": Architecture(
        "GPTJForCausalLM", {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4}, TEXT
    ),
    "llama": Architecture("LlamaForCausalLM", KEYS, TEXT),
    "mistral": Architecture("MistralForCausalLM", {**KEYS, "sliding_window": 8}, TEXT),
    "olmo2": Architecture("Olmo2ForCausalLM", {**KEYS, **PAD}, TEXT),
    "opt": Architecture(
        "OPTForCausalLM", {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 32}, TEXT
    ),
    "phi3": Architecture("Phi3ForCausalLM", {**KEYS, **PAD}, TEXT),
    "qwen3": Architecture("Qwen3ForCausalLM", {**KEYS, "head_dim": 8}, TEXT),
    "stablelm": Architecture("StableLmForCausalLM", KEYS, TEXT),
}
ENCODER_DECODERS = {
    "bart": Architecture("BartForConditionalGeneration", SEQ2SEQ, BOTH),
    "led": Architecture("LEDModel", {**SEQ2SEQ, "attention_window": 8}, BOTH),
    "m2m_100": Architecture("M2M100Model", SEQ2SEQ, BOTH),
    "marian": Architecture("MarianMTModel", SEQ2SEQ, BOTH),
    "pegasus": Architecture("PegasusModel", SEQ2SEQ, BOTH),
    "prophetnet": Architecture(
        "ProphetNetModel",
        {"vocab_size": 64, "hidden_size": 32, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "num_encoder_layers": 2}
        | {"num_decoder_layers": 2, "num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4},
        BOTH,
    ),
    "t5": Architecture(
        "T5ForConditionalGeneration",
        {"vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, **PAD},
        BOTH,
    ),
}
EXPERTS = {
    "deepseek_v3": Architecture(
        "DeepseekV3ForCausalLM",
        {**SMALL, "num_key_value_heads": 4, "moe_intermediate_size": 16, "n_routed_experts": 8, "n_group": 2}
        | {"topk_group": 1, "num_experts_per_tok": 2, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8}
        | {"qk_nope_head_dim": 8, "v_head_dim": 8, "first_k_dense_replace": 1},
        TEXT,
    ),
    "gpt_oss": Architecture("GptOssForCausalLM", {**KEYS, "head_dim": 8, "num_local_experts": 4, **PAD}, TEXT),
    "mixtral": Architecture("MixtralForCausalLM", {**KEYS, "num_local_experts": 4}, TEXT),
    "olmoe": Architecture("OlmoeForCausalLM", {**KEYS, "num_experts": 4, "num_experts_per_tok": 2}, TEXT),
    "qwen3_moe": Architecture(
        "Qwen3MoeForCausalLM",
        {**KEYS, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
        TEXT,
    ),
}
STATE_SPACES = {
    "bamba": Architecture(
        "BambaForCausalLM",
        {**KEYS, **PAD, "attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8},
        TEXT,
    ),
    "falcon_mamba": Architecture("FalconMambaForCausalLM", {**SMALL, "state_size": 4, "time_step_rank": 4}, TEXT),
    "mamba": Architecture("MambaForCausalLM", {**SMALL, "state_size": 4, "time_step_rank": 4}, TEXT),
    "mamba2": Architecture(
        "Mamba2ForCausalLM",
        {**SMALL, "state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 8},
        TEXT,
    ),
    "recurrent_gemma": Architecture("RecurrentGemmaForCausalLM", {**KEYS, "lru_width": 32, "head_dim": 8}, TEXT),
    "rwkv": Architecture(
        "RwkvForCausalLM", {**SMALL, "attention_hidden_size": 32, "context_length": 32}, {"input_ids": tokens()}
    ),
    "xlstm": Architecture(
        "xLSTMForCausalLM", {**SMALL, "num_heads": 4, "num_blocks": 2, "chunk_size": 8}, {"input_ids": tokens()}
    ),
}
VISION = {
    "beit": Architecture("BeitModel", PATCHES, IMAGE),
    "convnext": Architecture("ConvNextModel", {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]}, IMAGE),
    "convnextv2": Architecture("ConvNextV2Model", {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]}, IMAGE),
    "dinov2": Architecture("Dinov2Model", PATCHES, IMAGE),
    "dpt": Architecture(
        "DPTForDepthEstimation",
        {**PATCHES, "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8, 8, 16, 16]}
        | {"fusion_hidden_size": 16, "backbone_config": None, "is_hybrid": False},
        IMAGE,
    ),
    "hiera": Architecture(
        "HieraModel", {"embed_dim": 8, "image_size": [64, 64], "depths": [1, 1, 2, 1]}, {"pixel_values": image(64)}
    ),
    "levit": Architecture(
        "LevitModel", {"image_size": 64, "hidden_sizes": [16, 24, 32], "depths": [1, 1, 1]}, {"pixel_values": image(64)}
    ),
    "mobilevit": Architecture(
        "MobileViTModel", {"hidden_sizes": [8, 16, 24], "image_size": 64}, {"pixel_values": image(64)}
    ),
    "poolformer": Architecture(
        "PoolFormerModel", {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]}, {"pixel_values": image(64)}
    ),
    "pvt": Architecture(
        "PvtModel",
        {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 40, 64], "image_size": 64},
        {"pixel_values": image(64)},
    ),
    "regnet": Architecture(
        "RegNetModel",
        {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "groups_width": 8},
        IMAGE,
    ),
    "resnet": Architecture(
        "ResNetModel", {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}, IMAGE
    ),
    "segformer": Architecture(
        "SegformerForSemanticSegmentation",
        {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "decoder_hidden_size": 16},
        {"pixel_values": image(64)},
    ),
    "swin": Architecture(
        "SwinModel", {"image_size": 64, "embed_dim": 8, "window_size": 4, **STAGES}, {"pixel_values": image(64)}
    ),
    "swinv2": Architecture(
        "Swinv2Model", {"image_size": 64, "embed_dim": 8, "window_size": 4, **STAGES}, {"pixel_values": image(64)}
    ),
    "vit": Architecture("ViTForImageClassification", PATCHES, IMAGE),
    "vit_mae": Architecture("ViTMAEModel", PATCHES, IMAGE),
    "yolos": Architecture("YolosModel", {**PATCHES, "image_size": [32, 32], "num_detection_tokens": 4}, IMAGE),
}
AUDIO = {
    "audio_spectrogram": Architecture(
        "ASTModel",
        {**SMALL, "patch_size": 8, "max_length": 64, "num_mel_bins": 32},
        {"input_values": signal(2, 64, 32)},
    ),
    "data2vec_audio": Architecture("Data2VecAudioModel", HEARD, WAVE),
    "encodec": Architecture(
        "EncodecModel",
        {"num_filters": 4, "hidden_size": 16, "codebook_size": 32, "codebook_dim": 16},
        {"input_values": signal(1, 1, 3200)},
    ),
    "hubert": Architecture("HubertModel", HEARD, WAVE),
    "sew": Architecture("SEWModel", {**HEARD, "squeeze_factor": 2}, WAVE),
    "speech_to_text": Architecture(
        "Speech2TextModel",
        {**SEQ2SEQ, "conv_channels": 32, "input_feat_per_channel": 20},
        {"input_features": signal(2, 64, 20), "decoder_input_ids": tokens(8)},
    ),
    "wav2vec2": Architecture("Wav2Vec2Model", HEARD, WAVE),
    "wav2vec2_conformer": Architecture("Wav2Vec2ConformerModel", HEARD, WAVE),
    "wavlm": Architecture("WavLMModel", HEARD, WAVE),
    "whisper": Architecture(
        "WhisperForConditionalGeneration",
        {**SEQ2SEQ, "num_mel_bins": 20, "max_source_positions": 50, "max_target_positions": 16},
        {"input_features": signal(2, 20, 100), "decoder_input_ids": tokens(8)},
    ),
}
SEVERAL_SENSES = {
    "clip": Architecture("CLIPModel", TOWERS, {**TEXT, **IMAGE}),
    "siglip": Architecture("SiglipModel", TOWERS, {"input_ids": tokens(32), **IMAGE}),
    "blip": Architecture("BlipModel", TOWERS, {**TEXT, **IMAGE}),
    "vilt": Architecture("ViltModel", {**PATCHES, "vocab_size": 64}, {**TEXT, **IMAGE}),
    "decision_transformer": Architecture(
        "DecisionTransformerModel",
        {"hidden_size": 32, "n_layer": 2, "n_head": 4, "state_dim": 5, "act_dim": 3},
        {
            "states": signal(2, 6, 5),
            "actions": signal(2, 6, 3),
            "rewards": signal(2, 6, 1),
            "returns_to_go": signal(2, 6, 1),
        }
        | {"timesteps": torch.arange(6).repeat(2, 1), "attention_mask": torch.ones(2, 6)},
    ),
    "patchtst": Architecture(
        "PatchTSTModel",
        {
            "d_model": 32,
            "num_attention_heads": 4,
            "ffn_dim": 48,
            "num_hidden_layers": 2,
            "num_input_channels": 3,
            "context_length": 32,
        },
        {"past_values": signal(2, 32, 3)},
    ),
    "perceiver": Architecture(
        "PerceiverModel",
        {
            "d_model": 24,
            "d_latents": 32,
            "num_latents": 8,
            "num_self_attends_per_block": 2,
            "num_cross_attention_heads": 4,
            "num_self_attention_heads": 4,
        },
        {"inputs": signal(2, 10, 24)},
    ),
}

ARCHITECTURES = ENCODERS | DECODERS | ENCODER_DECODERS | EXPERTS | STATE_SPACES | VISION | AUDIO | SEVERAL_SENSES
